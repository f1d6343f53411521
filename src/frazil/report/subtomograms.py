"""The page of subtomograms held against real ones."""

from collections.abc import Mapping, Sequence

from frazil.report.figure import Figure, Reading, table_markup
from frazil.report.page import Report
from frazil.report.slices import Volumes, sectors_figure, slices_figures

_FIGURES = Reading(
    look="Every kind against a third of the real subtomograms. Beside them stands another third, which nothing can be"
    " expected to beat, and empty volumes; the last third taught the classifier of the real ones. TSTR: how many real"
    " ones a classifier names rightly that has learnt from this kind alone. TRTS: how many of this kind the classifier"
    " of the real ones names as their labels do. Class kept: how many show the density of their class, in the pose that"
    " their table says, better than any other's.",
    good="TSTR, density and coverage (on features) near the second real draw's; spectra near 0; every class kept.",
    bad="TRTS far below the second draw's: labels are wrong, or the molecule cannot be seen. A density far above 1:"
    " all are near a few real ones.",
)


def subtomograms_report(
    volumes: Volumes,
    figures: Mapping[str, Mapping[str, float | None]],
    warnings: Sequence[str],
    pixel_size: float,
) -> Report:
    """Figures by kind, what some of them cannot say, slices and spectra."""
    real, _ = next(iter(volumes.values()))
    voxels = f"{real.shape[-1]} voxels of {pixel_size:.3g} Å"
    report = Report("Subtomograms against real ones", f"{len(real)} real ones of {voxels}")
    for name, own in figures.items():
        if own["TSTR"] is not None:
            report.headline(f"TSTR, {name}", f"{100 * own['TSTR']:.1f}", "%", "of real ones named rightly")
    report.section("How like they are, and what they teach")
    names = list(next(iter(figures.values())))
    rows = [{"": name, **{kind: figures[kind][name] for kind in figures}} for name in names]
    report.figure(Figure("Figures", table_markup(rows), _FIGURES))
    for sentence in warnings:
        report.warn(sentence)
    report.section("Slices")
    for figure in slices_figures(volumes, pixel_size):
        report.figure(figure)
    report.section("Spectra by direction")
    report.figure(sectors_figure(volumes, pixel_size))
    return report
