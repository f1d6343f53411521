"""A map in grey: three central slices and three projections."""

import numpy as np
from jaxtyping import Float

from frazil.report.arrays import Array, as_numpy, grey_range, why_undrawable
from frazil.report.figure import Figure, Reading, refusal
from frazil.report.pictures import panel, picture, scale_bar_length

VIEWS = (("z", "x →, y ↑", 0), ("y", "x →, z ↑", 1), ("x", "y →, z ↑", 2))
"""The axis one looks along, the axes one sees, and the array axis that goes."""

READING = Reading(
    look="Slices show one plane through the middle of the box, projections the sum along an axis; bright is dense.",
    good="A bright particle in the middle, structure inside it, an even grey around it.",
    bad="Streaks or rings in the background: fitted noise. Density that runs into the edge: the box or the mask is "
    "too small. One direction blurred against the others: missing views.",
)


def map_figure(volume: Float[Array, "box box box"], pixel_size: float, title: str = "Map") -> Figure:
    """Three central slices and three orthogonal projections of a map, each row on one grey scale."""
    density = as_numpy(volume)
    problem = why_undrawable(density, "The map")
    if problem:
        return refusal(title, problem)
    centre, width = density.shape[0] // 2, density.shape[0] * pixel_size
    slices = [density.take(centre, axis=axis) for _, _, axis in VIEWS]
    projections = [density.sum(axis=axis) for _, _, axis in VIEWS]
    rows = [
        _row(slices, grey_range(density, 0.1), "central slice across {}", width),
        _row(projections, grey_range(np.stack(projections), 0.1), "projection along {}", width),
    ]
    return Figure(title, "".join(rows), READING)


def _row(images: list[np.ndarray], grey: tuple[float, float], naming: str, width: float) -> str:
    """Three pictures side by side; the scale bar lies on the first."""
    panels: list[str] = []
    for image, (axis, seen, _) in zip(images, VIEWS, strict=True):
        name = naming.format(axis)
        bar = None if panels else scale_bar_length(width)
        panels.append(panel(picture(image, *grey, f"{name}, {seen}"), f"{name} ({seen})", width, bar))
    return f'<div class="panels three">{"".join(panels)}</div>'
