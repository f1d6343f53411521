"""Crops of some micrographs of each kind, and their power spectra."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from torch import Tensor

from frazil.metrics.spectra import log_power
from frazil.report.chart import Curve, Panel, chart, colour_of
from frazil.report.figure import Figure, Reading
from frazil.report.fsc import resolution_axis
from frazil.report.pictures import panel, panel_rows, picture, scale_bar_length

_SHOWN = 6  # crops of each kind, a row on a wide screen

_SPECTRA = Reading(
    look="How much of the images lies at each level of detail, coarse on the left, fine on the right (logarithm of the"
    " mean power, all crops scaled to the same noise).",
    good="The curves lie on one another: waves of the lens, the noise and its fall are the same.",
    bad="One that is flat where the real ones fall: its noise is white and theirs is not. Waves at other places:"
    " another defocus. One that drops at the right: details are smeared.",
)
_CROPS = Reading(
    look="Crops by chance, the real ones first, all on one grey scale.",
    good="Without the captions you could not tell which is which.",
    bad="A grain that the real ones have not, particles that stand out more or less, patterns that come again.",
)


def spectra_figure(crops: Mapping[str, Float[Tensor, "_count _side _side"]], pixel_size: float) -> Figure:
    """Mean log power of each kind of crops."""
    lines = []
    for number, (name, own) in enumerate(crops.items()):
        mean = log_power(own).mean(0).numpy()
        frequency = np.arange(1, len(mean) + 1) / (own.shape[-1] * pixel_size)
        lines.append(Curve(name, frequency, mean, colour_of(number)))
    drawn = Panel(lines, lambda axis: resolution_axis(axis, float(lines[0].x[-1])), "log power", "resolution")
    return Figure("Power spectra", chart([drawn], "resolution, angstrom"), _SPECTRA, ("chart.js",))


def crops_figure(crops: Mapping[str, Float[Tensor, "_count _side _side"]], pixel_size: float) -> Figure:
    """A few crops of each kind."""
    rows: list[list[str]] = []
    for name, own in crops.items():
        width = own.shape[-1] * pixel_size
        parts: list[str] = []
        for number, image in enumerate(own[:_SHOWN].numpy()):
            bar = scale_bar_length(width) if not rows and not parts else None
            parts.append(panel(picture(image, -3.0, 3.0, f"crop {number + 1} of {name}"), name, width, bar))
        rows.append(parts)
    return Figure("Crops", panel_rows(rows), _CROPS)
