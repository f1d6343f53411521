"""The page of CryoGEM: what was fitted, and how real the generated micrographs look."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from frazil.metrics.spectra import spectrum_distance
from frazil.report.crops import crops_figure, spectra_figure
from frazil.report.figure import Figure, Reading, table_markup
from frazil.report.page import Report
from frazil.report.run_story import RunStory, Scalars

CRYOGEM_SCALARS = Scalars(
    panels={
        "What is at a place stays there": ["contrast"],
        "Looking real": ["realism", "critic_loss"],
        "Change of the image": ["changed"],
    },
    headlines={"Change": ("changed", "of the image, in standard deviations of its noise")},
    reading=Reading(
        look="Training steps run to the right. The first curve is the contrastive loss; the second the translator's and"
        " the critic's of least squares: 0.25 for the critic where it cannot tell real from generated patches.",
        good="The contrastive loss falls and stays low: particles are where they were. The critic stays near 0.2 to"
        " 0.25.",
        bad="A contrastive loss that rises: particles are lost, or new ones painted. A critic near 0: the translator"
        " cannot follow.",
    ),
)
_OFF = 0.04  # of the map's size, by which that of real particles may differ
_FITTED = Reading(
    look="Particles on a micrograph, the share of them that a matched filter sees, how strongly they stand out in it"
    " (standard deviations of the noise), and how large they are beside the map, of the real micrographs and of the"
    " simulation fitted to them.",
    good="Both rows say the same. Where most are not seen, their number is known to a factor of two.",
    bad="Far more or fewer real particles than you see: the map is not of what is on them, or its size is wrong.",
)


def cryogem_report(
    match: Mapping[str, Any], crops: Mapping[str, Float[Tensor, "_count _side _side"]], story: RunStory
) -> Report:
    """What was fitted (`match.json`), crops by kind, the real ones first, and how the run went."""
    pixel_size = match["simulation"]["pixel_size"]
    report = Report(story.title, f"at {pixel_size:.3g} Å a pixel")
    for kind in ("simulated", "generated"):
        distance = spectrum_distance(crops["real"], crops[kind])
        report.headline(f"Spectra, {kind}", f"{distance:.2g}", "", "from the real ones, in logarithms of power")
    story.add_headlines(report, "to learn")
    size = match["figures"]["real"].get("size", 1.0)
    if abs(size - 1) > _OFF:
        report.warn(f"The real particles look {size:.2f} times as large as the map's: is a pixel size wrong?")
    report.section("The simulation that was fitted")
    rows = [
        {"micrographs": name, **{key.replace("_", " "): value for key, value in own.items()}}
        for name, own in match["figures"].items()
    ]
    report.figure(Figure("Particles", table_markup(rows), _FITTED))
    report.section("Real, simulated and generated")
    report.figure(crops_figure(crops, pixel_size))
    report.figure(spectra_figure(crops, pixel_size))
    story.add_sections(report, pixel_size, {})
    return report
