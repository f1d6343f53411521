"""What is CryoGAN's own on the page of a reconstruction."""

from frazil.report.figure import Reading
from frazil.report.run_story import Scalars

CRYOGAN_SCALARS = Scalars(
    panels={
        "Critic distance": ["critic_distance"],
        "Penalty": ["penalty"],
        "Learnt scales": ["signal", "noise", "shift"],
    },
    headlines={"Critic distance": ("critic_distance", "between real and simulated")},
    reading=Reading(
        look="Training steps run to the right; broken lines mark the start of a stage, where the images become finer"
        " and jumps are expected.",
        good="The critic's distance settles at a small value (0 where it cannot tell real from simulated images; by"
        " default 1.39 where it always can); the resolution falls, which is finer detail, and levels off.",
        bad="A distance that grows without end: the volume cannot follow. One that stays at zero: the critic learns"
        " nothing. A curve still falling at the end: the run was too short.",
    ),
)
