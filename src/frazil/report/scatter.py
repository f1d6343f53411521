"""Latents as points: coloured by what a table knows of them, and picked with a lasso."""

import base64
import html
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from frazil.report.figure import Figure, Reading, carried, refusal

CLASSES = ("cluster", "rlnClassNumber")
"""Columns of numbers that count nothing: each has a colour of its own."""
MOST_POINTS = 100_000
"""Points that the page draws; of more images, as many drawn evenly. The lasso picks among all."""

READING = Reading(
    look="Every point is an image; near ones were found to show similar structures. Choose another layout or a column"
    " that colours the points; draw a line around some to pick them and save their rows, which frazil select turns"
    " into a particle file. Numbered rings are the images whose volumes are shown; the farthest thousandth is drawn on"
    " the frame.",
    good="Clouds, islands or a path, whose volumes differ as a molecule may; colours of columns like defocus or"
    " micrograph mixed evenly.",
    bad="One round cloud: nothing was told apart. Colours that follow the defocus or the angles: the latent holds how"
    " an image was taken, and not what it shows.",
)


@dataclass(frozen=True)
class Layout:
    """Where the points lie."""

    points: np.ndarray
    """(images, 2)."""
    across: str
    up: str


def scatter_figure(
    title: str, layouts: Mapping[str, Layout], columns: Mapping[str, np.ndarray], marked: np.ndarray
) -> Figure:
    """Points in one of several layouts, in the colour of one of several columns, those of the rows `marked` ringed."""
    count = len(next(iter(layouts.values())).points)
    for name, layout in layouts.items():
        if not np.isfinite(layout.points).all():
            return refusal(title, f"{name} holds values that are not finite.")
    rows = np.unique(np.concatenate([np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int), marked]))
    data = {
        "drawn": _packed(rows, "<u4"),
        "marked": marked.tolist(),
        "layouts": {
            name: {
                "x": _packed(layout.points[:, 0], "<f4"),
                "y": _packed(layout.points[:, 1], "<f4"),
                "across": layout.across,
                "up": layout.up,
            }
            for name, layout in layouts.items()
        },
        "classes": [name for name in CLASSES if name in columns],
        "columns": {name: _packed(np.nan_to_num(values[rows]), "<f4") for name, values in columns.items()},
    }
    return Figure(title, _markup(title, data, len(rows), count), READING, ("scatter.js",))


def _packed(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()


def _choice(label: str, name: str, options: Mapping[str, object]) -> str:
    items = "".join(f"<option>{html.escape(option)}</option>" for option in options)
    return f'<label>{label} <select name="{name}">{items}</select></label>'


def _markup(title: str, data: dict, drawn: int, count: int) -> str:
    name = html.escape(title, quote=True)
    of = f"{drawn:,} of {count:,} images drawn, all can be picked" if drawn < count else f"{count:,} images"
    return f"""
<div class="scatter">
  <div class="controls">
    {_choice("Layout", "layout", data["layouts"])}
    {_choice("Colour", "column", data["columns"])}
    <button type="button" name="save" disabled>Save the picked rows</button>
    <button type="button" name="clear" disabled>Pick none</button>
    <output>{of}</output>
  </div>
  <canvas role="img" aria-label="{name}: points; a line drawn around some picks them"></canvas>
  <div class="key" aria-hidden="true"><span class="low"></span><span class="bar"></span><span class="high"></span></div>
  {carried(data)}
</div>"""
