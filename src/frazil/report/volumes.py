"""Volumes of one molecule in its different structures, side by side."""

from collections.abc import Mapping, Sequence

import numpy as np

from frazil.report.arrays import grey_range
from frazil.report.figure import Figure, Reading
from frazil.report.pictures import panel, picture, scale_bar_length

READING = Reading(
    look="Each picture is the sum of a volume along z; all have one grey scale.",
    good="Whole molecules that differ where the molecule moves or lacks a part, and are the same elsewhere.",
    bad="Differences everywhere, or streaks: the latent holds noise or views. No differences at all: nothing was told"
    " apart.",
)


def volumes_figure(title: str, volumes: Mapping[str, np.ndarray], pixel_size: float) -> Figure:
    """The projection of each volume over its name, on one grey scale."""
    projections = {name: volume.sum(0) for name, volume in volumes.items()}
    grey = grey_range(np.stack(list(projections.values())), 0.1)
    width = len(next(iter(projections.values()))) * pixel_size
    panels: Sequence[str] = [
        panel(picture(image, *grey, name), name, width, scale_bar_length(width) if number == 0 else None)
        for number, (name, image) in enumerate(projections.items())
    ]
    return Figure(title, f'<div class="panels many">{"".join(panels)}</div>', READING)
