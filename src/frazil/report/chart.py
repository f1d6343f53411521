"""Charts as inline SVG in the page's own colours and type, drawn once for wide screens and once for narrow ones."""

import html
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from frazil.report.figure import carried

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SERIES = ("#a00000", "#a00001", "#a00002", "#a00003", "#a00004", "#a00005")
INK, MUTED, HAIRLINE = "#b00000", "#b00001", "#b00002"
"""Stand-ins that no chart shows: the page replaces each by a variable of its style sheet."""
VARIABLES = {colour: f"var(--series-{index})" for index, colour in enumerate(SERIES)} | {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    HAIRLINE: "var(--hairline)",
}

WIDE, HALF, NARROW = 9.2, 4.4, 3.7
"""Widths in inches of the page, of half of it and of a telephone, at which 9 points come out as small print."""


@dataclass(frozen=True)
class Curve:
    """One named line of a chart."""

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: str


@dataclass(frozen=True)
class Panel:
    """One set of axes: its curves, what is drawn besides them, and how a reader's pointer names an x value."""

    curves: Sequence[Curve]
    draw: "Callable[[Axes], None]"
    y_label: str
    pointer: str = "number"
    """`number`, or `resolution` where x is 1/angstrom and should be read in angstrom."""


def colour_of(index: int) -> str:
    """The colour of the n-th curve; they repeat after six."""
    return SERIES[index % len(SERIES)]


def chart(panels: Sequence[Panel], x_label: str, height: float = 3.4, width: float = WIDE) -> str:
    """Markup of panels above one another that share their x axis; legend, wide and narrow drawing."""
    drawings = "".join(
        _drawing(panels, x_label, size, name)
        for name, size in (("wide", (width, height)), ("narrow", (NARROW, min(height, 0.6 * height + 1))))
    )
    curves = [[_pointer_data(curve) for curve in panel.curves] for panel in panels]
    data = carried({"pointer": panels[0].pointer, "curves": curves})
    names = {curve.name: curve.colour for panel in panels if len(panel.curves) > 1 for curve in panel.curves}
    return f'<div class="chart">{legend(names)}{drawings}<div class="tip" hidden></div>{data}</div>'


def legend(names: Mapping[str, str]) -> str:
    """A legend as text, which wraps on narrow screens; none for a single curve."""
    if len(names) < 2:
        return ""
    items = (
        f'<li><span class="swatch" style="background:{VARIABLES[colour]}"></span>{html.escape(name)}</li>'
        for name, colour in names.items()
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _pointer_data(curve: Curve) -> dict[str, Any]:
    keep = np.isfinite(curve.x) & np.isfinite(curve.y)
    return {
        "name": curve.name,
        "colour": VARIABLES[curve.colour],
        "x": [float(f"{value:.5g}") for value in curve.x[keep]],
        "y": [float(f"{value:.4g}") for value in curve.y[keep]],
    }


def _style() -> Any:
    return {
        "svg.fonttype": "none",
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": HAIRLINE,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.labelsize": 9,
        "grid.color": HAIRLINE,
        "grid.linewidth": 0.6,
        "xtick.color": HAIRLINE,
        "xtick.labelcolor": MUTED,
        "ytick.color": HAIRLINE,
        "ytick.labelcolor": MUTED,
        "ytick.left": False,
        "ytick.minor.left": False,
        "lines.linewidth": 1.7,
        "lines.solid_capstyle": "round",
        "figure.facecolor": "none",
    }


def _drawing(panels: Sequence[Panel], x_label: str, size: tuple[float, float], name: str) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    salt = f"{name}-{x_label}-{'-'.join(curve.name for panel in panels for curve in panel.curves)}"
    with matplotlib.rc_context({**_style(), "svg.hashsalt": salt}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for panel, axis in zip(panels, axes, strict=True):
            for curve in panel.curves:
                alone = np.isfinite(curve.y).sum() == 1  # a line of one point would not be seen
                axis.plot(curve.x, curve.y, "o-" if alone else "-", color=curve.colour, markersize=4)
            panel.draw(axis)
            axis.set_title(panel.y_label, loc="left", fontsize=9, color=MUTED)
        axes[-1].set_xlabel(x_label)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
        places = json.dumps([_place(axis) for axis in axes])
    return _inlined(buffer.getvalue(), name, places)


def _place(axis: "Axes") -> dict[str, Any]:
    """Where a panel lies in its drawing, as fractions from the top left, and what its edges mean."""
    box = axis.get_position()
    return {
        "box": [round(value, 4) for value in (box.x0, 1 - box.y1, box.width, box.height)],
        "x": [float(value) for value in axis.get_xlim()],
        "y": [float(value) for value in axis.get_ylim()],
        "log": axis.get_yscale() == "log",
    }


def _inlined(svg: str, name: str, places: str) -> str:
    """Matplotlib's SVG without prolog, sizes and group names, in the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, variable)
    view_box = re.search(r'viewBox="[^"]*"', svg)
    if view_box is None:
        raise ValueError("the chart's drawing has no viewBox")
    opening = f'<svg class="{name}" {view_box.group()} role="img" data-places="{html.escape(places)}">'
    return opening + svg[svg.index(">") + 1 :].strip()
