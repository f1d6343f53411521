"""Volumes of one molecule in its different structures, side by side."""

from collections.abc import Mapping

import numpy as np

from frazil.report.arrays import grey_range
from frazil.report.figure import Figure, Reading
from frazil.report.pictures import panel, picture, scale_bar_length

_SEVERAL = Reading(
    look="Each picture is the sum of a volume along z; all have one grey scale. Below, each less the mean of all, on a"
    " scale of their own: white is what it has more of than the others.",
    good="Whole molecules that differ where the molecule moves or lacks a part, and are the same elsewhere.",
    bad="Differences everywhere, or streaks: the latent holds noise or views. No differences at all: nothing was told"
    " apart.",
)
_ALONE = Reading(
    look="The sum of the volume along z.",
    good="A compact molecule on an even background.",
    bad="Streaks, rings or a haze around it: the poses or the lenses do not fit the images.",
)


def volumes_figure(title: str, volumes: Mapping[str, np.ndarray], pixel_size: float) -> Figure:
    """The projection of each volume over its name, on one grey scale, and what it has more of than the others."""
    projections = {name: volume.sum(0) for name, volume in volumes.items()}
    every = np.stack(list(projections.values()))
    content = _row(projections, grey_range(every, 0.1), pixel_size)
    if len(projections) > 1:
        mean = every.mean(0)
        differences = {f"{name} less the mean": image - mean for name, image in projections.items()}
        white = float(np.abs(every - mean).max()) or 1.0  # where all are the same
        content += _row(differences, (-white, white), pixel_size)
    return Figure(title, content, _SEVERAL if len(projections) > 1 else _ALONE)


def _row(images: Mapping[str, np.ndarray], grey: tuple[float, float], pixel_size: float) -> str:
    width = len(next(iter(images.values()))) * pixel_size
    panels = [
        panel(picture(image, *grey, name), name, width, scale_bar_length(width) if number == 0 else None)
        for number, (name, image) in enumerate(images.items())
    ]
    return f'<div class="panels many">{"".join(panels)}</div>'
