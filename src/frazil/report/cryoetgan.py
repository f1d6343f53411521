"""The page of CryoETGAN: what was fitted, and how real the generated subtomograms look."""

from collections.abc import Mapping
from typing import Any

from frazil.metrics.volume_spectra import SECTORS, sector_distances, sector_power
from frazil.report.figure import Figure, Reading, table_markup
from frazil.report.page import Report
from frazil.report.run_story import RunStory, Scalars
from frazil.report.slices import Volumes, sectors_figure, slices_figures

CRYOETGAN_SCALARS = Scalars(
    panels={
        "What is kept of molecules": ["kept"],
        "Looking real": ["realism", "critic_loss"],
        "Change of the volume": ["changed"],
    },
    headlines={"Change": ("changed", "of a volume, in its standard deviations")},
    reading=Reading(
        look="Training steps run to the right. The first curve is by how much coarse detail was changed (with a cycle,"
        " how badly volumes came back); the second the translator's and the critic's loss: of least squares, 0.25 for"
        " the critic where it cannot tell real from generated patches.",
        good="What is kept stays low. The critic stays near 0.2 to 0.25, or a Wasserstein loss near 0.",
        bad="The first curve rises: molecules are lost. A critic near 0, or a Wasserstein loss far below it: the"
        " translator cannot follow.",
    ),
)
_MEASURED = {
    "first_tilt": "first tilt, °",
    "last_tilt": "last tilt, °",
    "tilt_weighting": "power of cos(tilt)",
    "least_defocus": "least defocus, Å",
    "most_defocus": "most defocus, Å",
    "snr_db": "SNR, dB",
}
_FITTED = Reading(
    look="The range of tilts, as the missing wedge shows it where it was not told, by what power of the cosine of their"
    " tilt images seem to have been weighted (with 1, as RELION and Warp do), how far out of focus they are, as the"
    " molecules' spectrum shows it where it was not told, and how strong molecules are: 10 log10 of their variance over"
    " the noise's, over whole boxes.",
    good="The range is the one that the series were taken with.",
    bad="Another range: the tilt axis is not y, or subtomograms were turned. A ratio that you would not have thought:"
    " the models are not of what is in them, or neighbours reach into the boxes.",
)


def cryoetgan_report(match: Mapping[str, Any], kinds: Volumes, story: RunStory) -> Report:
    """What was fitted (`match.json`), volumes by kind, the real ones first, and how the run went."""
    pixel_size = match["simulation"]["pixel_size"]
    report = Report(story.title, f"voxels of {pixel_size:.3g} Å")
    real = sector_power(kinds["real"][0])
    distances = {name: sector_distances(real, sector_power(own)) for name, (own, _) in kinds.items() if name != "real"}
    for name, found in distances.items():
        report.headline(f"Spectra, {name}", f"{float(found[0]):.2g}", "", "from the real ones, in logarithms of power")
    story.add_headlines(report, "to learn")
    report.section("The simulation that was fitted")
    rows = [{_MEASURED.get(name, name): value for name, value in match["figures"].items()}]
    report.figure(Figure("Tilts, lens and noise", table_markup(rows), _FITTED))
    report.section("Real, simulated and generated")
    for figure in slices_figures(kinds, pixel_size):
        report.figure(figure)
    report.figure(sectors_figure(kinds, pixel_size))
    rows = [
        {"against the real ones": name, **dict(zip(SECTORS, found.tolist(), strict=True))}
        for name, found in distances.items()
    ]
    report.table("Distances of the spectra", rows)
    story.add_sections(report, pixel_size, {})
    return report
