"""Scalars over the steps of a run, as its log.jsonl holds them."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from frazil.report.chart import MUTED, Curve, Panel, chart, colour_of
from frazil.report.figure import Figure, Reading, refusal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]
"""A line of log.jsonl: `step`, `elapsed` in seconds, and scalars."""

LARGEST_COUNT = 400
"""Points of a curve; longer logs are averaged over runs of neighbouring rows."""

READING = Reading(
    look="Training steps run to the right; broken lines mark the start of a stage, where jumps are expected.",
    good="The curves level off.",
    bad="A curve still falling at the end: the run was too short. One that grows without end: it diverges.",
)


def history_figure(
    logs: Mapping[str, Iterable[Row]],
    panels: Mapping[str, Sequence[str]],
    title: str = "Progress of the run",
    stages: Mapping[str, int] | None = None,
    reading: Reading = READING,
) -> Figure:
    """Scalars over steps: one panel for each label, one curve for each log and each of the label's scalars.

    `logs` holds the rows of each log.jsonl under the name the reader sees, "half 1" say, or "" for a single one;
    `stages` names the steps at which a stage begins; `reading` says what the curves should look like. A scalar that a
    row lacks or holds as null is left out.
    """
    tables = {name: list(rows) for name, rows in logs.items()}
    curves = {
        label: [curve for name, rows in tables.items() for key in keys if (curve := _curve(name, rows, key, len(keys)))]
        for label, keys in panels.items()
    }
    names = list(dict.fromkeys(curve.name for group in curves.values() if len(group) > 1 for curve in group))
    drawn = [
        Panel([_coloured(curve, names) for curve in group], lambda axis: _dress(axis, stages or {}), label)
        for label, group in curves.items()
        if group
    ]
    keys = list(dict.fromkeys(key for group in panels.values() for key in group))
    if not drawn:
        return refusal(title, f"The log holds no finite value of {', '.join(keys)} yet.")
    notes = "".join(refusal("", sentence).body for sentence in _broken(tables, keys))
    summary = html.escape(" ".join(_summary(name, rows) for name, rows in tables.items() if rows))
    body = f"<p>{summary}</p>{chart(drawn, 'step', 0.6 + 1.7 * len(drawn))}{notes}"
    return Figure(title, body, reading, ("chart.js",))


def _values(rows: Sequence[Row], key: str) -> np.ndarray:
    """Steps and values, (rows, 2), of the rows that hold the scalar."""
    pairs = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def _curve(name: str, rows: Sequence[Row], key: str, keys: int) -> Curve | None:
    """The scalar of a log as a curve named after what tells it from its neighbours."""
    table = _values(rows, key)
    table = table[np.isfinite(table[:, 1])]
    if not len(table):
        return None
    starts = np.arange(0, len(table), -(-len(table) // LARGEST_COUNT))
    means = np.add.reduceat(table, starts) / np.diff([*starts, len(table)])[:, None]
    shown = f"{name}, {key}" if name and keys > 1 else name or key
    return Curve(shown, means[:, 0], means[:, 1], colour_of(0))


def _coloured(curve: Curve, names: Sequence[str]) -> Curve:
    """One colour a name where several share a panel; a curve alone in its panel needs none of its own."""
    return replace(curve, colour=colour_of(names.index(curve.name))) if curve.name in names else curve


def _broken(tables: Mapping[str, Sequence[Row]], keys: Sequence[str]) -> list[str]:
    """One sentence for each scalar that is written as NaN or infinite."""
    sentences = []
    for name, rows in tables.items():
        for key in keys:
            table = _values(rows, key)
            broken = table[~np.isfinite(table[:, 1]), 0]
            if broken.size:
                what = f"{name}: {key}" if name else key
                sentences.append(f"{what} is NaN or infinite in {broken.size:,} rows, first at step {broken[0]:,.0f}.")
    return sentences


def _summary(name: str, rows: Sequence[Row]) -> str:
    seconds = round(rows[-1].get("elapsed", 0))
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    spent = f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s"
    return f"{name}{': ' if name else ''}{int(rows[-1]['step']):,} steps in {spent}."


def _dress(axis: "Axes", starts: Mapping[str, int]) -> None:
    """Stage boundaries as broken lines, named in a strip kept free above the curves."""
    axis.margins(x=0.01)
    axis.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + (0.16 * (high - low) if starts else 0))
    # A name outside the panel would take its room: the first stage begins before the first row of the log.
    axis.set_xlim(left=min([*starts.values(), axis.get_xlim()[0]]))
    reached = {name: step for name, step in starts.items() if step < axis.get_xlim()[1]}
    for name, step in reached.items():
        if step > min(starts.values()):
            axis.axvline(step, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axis.annotate(
            name, (step, 1), (3, -2), ("data", "axes fraction"), "offset points", va="top", color=MUTED, fontsize=8
        )
