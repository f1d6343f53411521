"""The page of micrographs held against real ones."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from frazil.report.crops import crops_figure, spectra_figure
from frazil.report.figure import Figure, Reading, table_markup
from frazil.report.page import Report
from frazil.report.pictures import circled, panel, panel_rows, picture

Labelled = Mapping[str, Sequence[tuple[Float[Tensor, "_side _side"], np.ndarray]]]
"""Crops by kind, each with the places of its particles in its pixels."""

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
