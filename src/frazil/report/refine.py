"""What is the refinement's own on the page of a reconstruction."""

from frazil.report.figure import Reading
from frazil.report.run_story import Scalars

REFINE_SCALARS = Scalars(
    panels={
        "Certainty": ["certainty"],
        "Log-likelihood gained": ["score"],
        "Log-evidence while annealing": ["evidence"],
    },
    headlines={"Certainty": ("certainty", "mean probability of the best orientation")},
    reading=Reading(
        look="Iterations run to the right. Certainty is the probability of an image's best orientation among all that"
        " were tried, on average; the log-likelihood is that of the best pose against noise alone, the evidence that of"
        " all poses together.",
        good="The resolution falls, which is finer detail, and levels off; certainty rises towards 1.",
        bad="Certainty that rises while the resolution stays: the poses fit the noise. A resolution still falling at"
        " the end: give more iterations.",
    ),
)
