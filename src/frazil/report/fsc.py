"""Fourier shell correlation against resolution."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from frazil.metrics import FSC, THRESHOLDS
from frazil.report.arrays import as_numpy, why_not_finite
from frazil.report.chart import INK, MUTED, Curve, Panel, chart, colour_of
from frazil.report.figure import Figure, Reading, refusal, table_markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 100, 200, 500)

_TITLE = "Fourier shell correlation"
READING = Reading(
    look="How well two maps agree at each level of detail, coarse on the left, fine on the right: 1 is perfect "
    "agreement, 0 is none. Independent half maps are read where the curve falls through 0.143, a map against a "
    "known structure at 0.5.",
    good="The curve stays near 1, falls once, and then scatters about 0.",
    bad="It never comes down to 0: the halves share something, often a mask or the noise. It dips and comes back: "
    "CTF or normalisation. It falls in the first few shells: there is no particle yet.",
)


def fsc_figure(curves: Mapping[str, FSC]) -> Figure:
    """FSC curves by name over resolution, with the places marked where each falls through 0.5 and 0.143."""
    problems = {name: why_not_finite(as_numpy(fsc.correlation), f"The curve '{name}'") for name, fsc in curves.items()}
    drawable = {name: curves[name] for name, problem in problems.items() if not problem}
    notes = [problem for problem in problems.values() if problem]
    if not drawable:
        return refusal(_TITLE, " ".join(notes) or "There is no curve to draw.")
    lines = [
        Curve(name, as_numpy(fsc.frequency), as_numpy(fsc.correlation), colour_of(index))
        for index, (name, fsc) in enumerate(drawable.items())
    ]
    panel = Panel(lines, lambda axis: _dress(axis, lines, list(drawable.values())), "correlation", "resolution")
    table = table_markup(_resolution_row(name, fsc) for name, fsc in drawable.items())
    warnings = "".join(refusal("", note).body for note in notes)
    return Figure(_TITLE, chart([panel], "resolution, angstrom") + table + warnings, READING, ("chart.js",))


def resolution_axis(axis: "Axes", highest_frequency: float) -> None:
    """Label an axis in 1/angstrom by round resolutions, as many as its width has room for, the finest first."""
    apart = highest_frequency / (axis.figure.bbox.width // 75)
    ticks: list[float] = []
    for resolution in TICKS:
        frequency = 1 / resolution
        if 0.5 * apart < frequency <= highest_frequency and not (ticks and 1 / ticks[-1] - frequency < apart):
            ticks.append(resolution)
    axis.set_xlim(0, highest_frequency)
    axis.set_xticks([1 / tick for tick in ticks], [f"{tick:g}" for tick in ticks])


def _resolution_row(name: str, fsc: FSC) -> dict[str, object]:
    """The resolution at each threshold, or on which side of the curve's ends it lies."""
    row: dict[str, object] = {"curve": name}
    for threshold in THRESHOLDS:
        side = "" if _falls_through(fsc, threshold) else " or finer"
        if fsc.correlation[1] < threshold:
            side = " or coarser"
        row[f"at {threshold}"] = f"{fsc.resolution(threshold):.1f} Å{side}"
    return row


def _falls_through(fsc: FSC, threshold: float) -> bool:
    shells = fsc.correlation[1:]
    return bool(shells[0] >= threshold) and bool((shells < threshold).any())


def _dress(axis: "Axes", lines: list[Curve], curves: list[FSC]) -> None:
    """Thresholds, marks where the curves cross them, and ticks in angstrom."""
    lowest = min(float(line.y.min()) for line in lines)
    resolution_axis(axis, max(float(line.x[-1]) for line in lines))
    axis.set_ylim(min(-0.08, max(lowest - 0.04, -1)), 1.03)
    axis.axhline(0, color=MUTED, linewidth=0.7)
    for threshold in THRESHOLDS:
        axis.axhline(threshold, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        coordinates = ("axes fraction", "data")
        axis.annotate(str(threshold), (1, threshold), (0, 2), coordinates, "offset points", ha="right", color=MUTED)
        crossings = {
            1 / fsc.resolution(threshold): line.colour
            for line, fsc in zip(lines, curves, strict=True)
            if _falls_through(fsc, threshold)
        }
        if crossings:
            _mark(axis, crossings, threshold)


def _mark(axis: "Axes", crossings: Mapping[float, str], threshold: float) -> None:
    """A dot at each crossing; the finest is named on its right, the coarsest on its left, where the page is empty."""
    for frequency, colour in crossings.items():
        axis.plot([frequency], [threshold], "o", color=colour, markersize=5, zorder=5)
    finest, coarsest = max(crossings), min(crossings)
    style: Any = {"textcoords": "offset points", "color": INK}
    axis.annotate(f"{1 / finest:.1f} Å", (finest, threshold), (6, 4), **style)
    if f"{1 / coarsest:.1f}" != f"{1 / finest:.1f}":
        axis.annotate(f"{1 / coarsest:.1f} Å", (coarsest, threshold), (-6, -11), ha="right", **style)
