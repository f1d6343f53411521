"""The page of micrographs held against real ones."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from frazil.metrics.spectra import log_power
from frazil.report.chart import Curve, Panel, chart, colour_of
from frazil.report.figure import Figure, Reading, table_markup
from frazil.report.fsc import resolution_axis
from frazil.report.page import Report
from frazil.report.pictures import circled, panel, panel_rows, picture, scale_bar_length

_SHOWN = 6  # crops of each kind, a row on a wide screen

Labelled = Mapping[str, Sequence[tuple[Float[Tensor, "_side _side"], np.ndarray]]]
"""Crops by kind, each with the places of its particles in its pixels."""

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
_LABELLED = Reading(
    look="Crops with their labels: circles are particles whose place is known, on real micrographs from a picker or by"
    " hand.",
    good="Each particle has a circle, and each circle a particle, on all of them alike.",
    bad="Circles around nothing, or particles without one: a picker would learn something wrong.",
)
_FIGURES = Reading(
    look="Distances from the real micrographs, of which some are held against as many others in the first row: the"
    " floor, which nothing can be expected to fall below. Repeated noise is the largest correlation of two micrographs"
    " of a kind at any shift.",
    good="Near the first row.",
    bad="Far above it. Repeated noise above the real ones': the same noise was drawn twice, or learnt by heart.",
)


def micrographs_report(
    crops: Mapping[str, Float[Tensor, "_count _side _side"]],
    figures: Mapping[str, Mapping[str, float]],
    pixel_size: float,
    labelled: Labelled,
    diameter: float,
) -> Report:
    """Figures by name, spectra and crops, some with their labels, circles of a diameter in angstrom."""
    side = next(iter(crops.values())).shape[-1]
    report = Report("Micrographs against real ones", f"crops of {side} px at {pixel_size:.3g} Å")
    report.section("How close they are")
    rows = [
        {"micrographs": name, **{key.replace("_", " "): value for key, value in own.items()}}
        for name, own in figures.items()
    ]
    report.figure(Figure("Distances", table_markup(rows), _FIGURES))
    report.section("Spectra")
    report.figure(spectra_figure(crops, pixel_size))
    report.section("Crops")
    report.figure(crops_figure(crops, pixel_size))
    if labelled:
        report.figure(_labelled_figure(labelled, pixel_size, diameter))
    return report


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


def _labelled_figure(labelled: Labelled, pixel_size: float, diameter: float) -> Figure:
    rows: list[list[str]] = []
    for name, own in labelled.items():
        parts: list[str] = []
        for image, places in own:
            side = len(image)
            shown = picture(image.numpy(), -3.0, 3.0, f"{len(places)} labelled particles of {name}")
            marked = circled(shown, (side, side), places.tolist(), diameter / pixel_size)
            parts.append(panel(marked, name, side * pixel_size))
        rows.append(parts)
    return Figure("Labels", panel_rows(rows), _LABELLED)
