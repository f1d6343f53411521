"""Slices of some subtomograms of each kind, and their power by direction."""

from collections.abc import Mapping
from itertools import zip_longest

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.metrics.volume_spectra import SECTORS, sector_power
from frazil.physics import low_pass
from frazil.report.chart import Curve, Panel, chart, colour_of
from frazil.report.figure import Figure, Reading
from frazil.report.fsc import resolution_axis
from frazil.report.pictures import panel, panel_rows, picture, scale_bar_length

_SHOWN = 6  # volumes of each kind, a row on a wide screen

Volumes = Mapping[str, tuple[Float[Tensor, "_count box box box"], Int[Tensor, " _count"] | None]]
"""Volumes by kind, each with its class as tables have it, where that is known."""

_SLICES = Reading(
    look="The middle of some volumes: xy as the upright image's plane has it, and xz with the beam upwards. All on"
    " one grey scale.",
    good="Without the captions you could not tell which is which.",
    bad="Streaks along other directions than the real ones', a grain that they have not, molecules that stand out more"
    " or less.",
)
_SMOOTHED = Reading(
    look="The same volumes without what is finer than a few voxels, which is mostly noise: molecules stand out in"
    " the middle.",
    good="Molecules stand out in generated volumes as in real ones, no more and no less.",
    bad="Nothing in the middle of real ones: molecules lie elsewhere, or are too weak to be learnt from.",
)
_COARSE = 6.0  # voxels, to which smoothed slices are low-passed
_SPECTRA = Reading(
    look="Power by level of detail (logarithm), in the directions that an upright image sees, in those that tilted ones"
    " see, and in the missing wedge.",
    good="The curves lie on one another.",
    bad="One apart in the wedge: another range of tilts. One that is flat where the real ones fall: other noise.",
)


def slices_figures(volumes: Volumes, pixel_size: float) -> list[Figure]:
    """The middle slices of a few volumes of each kind, of its classes in turns: as they are, and smoothed."""
    chosen, smooth = {}, {}
    for name, (own, label) in volumes.items():
        rows = (list(range(len(own))) if label is None else _in_turns(label))[:_SHOWN]
        chosen[name] = own[rows], None if label is None else label[rows]
        smooth[name] = torch.stack([low_pass(own[row], 1.0, _COARSE) for row in rows]), chosen[name][1]
    title = f"Slices, smoothed to {_COARSE * pixel_size:.0f} Å"
    return [_figure("Slices", chosen, pixel_size, _SLICES), _figure(title, smooth, pixel_size, _SMOOTHED)]


def _figure(title: str, volumes: Volumes, pixel_size: float, reading: Reading) -> Figure:
    """Two rows for each kind, all on the grey scale of the first kind."""
    first, _ = next(iter(volumes.values()))
    most = 3 * float(first.std())
    rows: list[list[str]] = []
    for name, (own, label) in volumes.items():
        width = own.shape[-1] * pixel_size
        middle = own.shape[-1] // 2
        for cut, seen in (("xy", own[:, middle]), ("xz", own[:, :, middle])):
            parts: list[str] = []
            for row, part in enumerate(seen):
                bar = scale_bar_length(width) if not rows and not parts else None
                shown = picture(part.numpy(), -most, most, f"{cut} of one of {name}")
                of_class = "" if label is None else f", class {int(label[row])}"
                parts.append(panel(shown, f"{name}{of_class}, {cut}", width, bar))
            rows.append(parts)
    return Figure(title, panel_rows(rows), reading)


def _in_turns(label: Int[Tensor, " count"]) -> list[int]:
    """Rows: the first of every class, then the second of every class, and so on."""
    rows = [(label == one).nonzero()[:, 0].tolist() for one in label.unique()]
    return [row for turn in zip_longest(*rows) for row in turn if row is not None]


def sectors_figure(volumes: Volumes, pixel_size: float) -> Figure:
    """Mean log power by direction, a panel for each."""
    powers = {name: sector_power(own).clamp(min=1e-12).log().numpy() for name, (own, _) in volumes.items()}
    box = next(iter(volumes.values()))[0].shape[-1]
    frequency = np.arange(1, box // 2 + 1) / (box * pixel_size)
    panels = []
    for place, direction in enumerate(SECTORS):
        lines = [
            Curve(name, frequency, power[place], colour_of(number))
            for number, (name, power) in enumerate(powers.items())
        ]
        title = f"log power {direction}"
        panels.append(Panel(lines, lambda axis: resolution_axis(axis, float(frequency[-1])), title, "resolution"))
    return Figure("Power spectra by direction", chart(panels, "resolution, angstrom"), _SPECTRA, ("chart.js",))
