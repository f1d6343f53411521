"""Poses that were found: from where the particles are seen, and how sure each pose is."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from frazil.geometry import rotation_to_euler
from frazil.report.arrays import Array, as_numpy
from frazil.report.chart import HALF, Curve, Panel, chart, colour_of
from frazil.report.figure import Figure, Reading
from frazil.report.pictures import panel, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LONGITUDES, _LATITUDES, _PIXELS = 36, 18, 8
_BRIGHTEST = 3.0  # times as many views as if they were uniform
_BINS = 40

READING = Reading(
    look="Left, the sphere of views unrolled to equal areas, rot to the right and tilt from the north pole at the top"
    " to the south pole: mid grey is a third of white, white is three times as many particles as if all views were"
    " equally frequent. Right, how probable each particle's best orientation is.",
    good="Grey without gaps; most particles at the right end of the histogram.",
    bad="A few white patches in black: the map is stretched along the views that lack. All particles at the left end:"
    " their poses are guesses.",
)


def poses_figure(
    rotation: Float[Array, "particles 3 3"],
    certainty: Float[Array, " particles"],
    group: Float[Array, "order 3 3"] | None = None,
) -> Figure:
    """Distribution of the directions of view, and of the probability of the best orientation.

    A particle of a point group is seen from all directions alike that the group makes of one.
    """
    rotation = torch.as_tensor(rotation).double()
    equivalent = torch.eye(3)[None] if group is None else torch.as_tensor(group)
    every = (rotation[:, None] @ equivalent.to(rotation)).flatten(0, 1)
    symmetric = f", each from {len(equivalent)} equivalent directions" if len(equivalent) > 1 else ""
    views = panel(_views(every), f"views of {len(rotation):,} particles{symmetric}", 1.0)
    return Figure("Poses", f'<div class="pair">{views}{_histogram(as_numpy(certainty))}</div>', READING, ("chart.js",))


def _views(rotation: torch.Tensor) -> str:
    rot, tilt, _ = rotation_to_euler(rotation).unbind(-1)
    edges = np.linspace(-180, 180, _LONGITUDES + 1), np.linspace(-1, 1, _LATITUDES + 1)
    counts = np.histogram2d(rot.numpy(), torch.cos(torch.deg2rad(tilt)).numpy(), edges)[0].T
    density = counts / max(counts.mean(), 1e-9)
    large = np.kron(density, np.ones((_PIXELS, _PIXELS)))
    return picture(large, 0.0, _BRIGHTEST, "directions of view on the sphere, unrolled")


def _histogram(certainty: np.ndarray) -> str:
    edges = np.linspace(0, 1, _BINS + 1)
    share = np.histogram(certainty, edges)[0] / max(1, len(certainty))
    curve = Curve("certainty", (edges[1:] + edges[:-1]) / 2, share, colour_of(0))

    def dress(axis: "Axes") -> None:
        axis.set_ylim(bottom=0)

    return chart([Panel([curve], dress, "share of the particles")], "probability of the best orientation", 2.7, HALF)
