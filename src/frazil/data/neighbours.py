"""Where the other particles on the micrograph lie: in crowded data their edges stand in every image."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor

from frazil.io import ParticleTable

_PLACE = ("rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY")
_PIXEL_SIZES = ("rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize")
_CROWDED = 0.1  # neighbours a particle, from which on they are worth their cost
_NARROW = 0.1  # of the distance to the nearest neighbour, its interquartile range where particles touch


def neighbour_offsets(table: ParticleTable, least: float, reach: float) -> Float[Tensor, "particles most xy"] | None:
    """From each particle to its neighbours on the micrograph, in angstrom; inf fills the rows of those with fewer.

    Neighbours are between `least` and `reach` angstrom away: two picks that are closer are one particle picked twice.
    None where fewer than one particle in ten has one, or the table does not say where on which micrograph they lie.
    """
    found: list[np.ndarray] = [np.empty((0, 2))] * len(table)
    for rows, place in _micrographs(table):
        near = cKDTree(place).query_ball_point(place, reach)
        for number, row in enumerate(rows):
            offsets = place[near[number]] - place[number]
            found[row] = offsets[np.linalg.norm(offsets, axis=1) >= least]
    counts = [len(offsets) for offsets in found]
    if sum(counts) < _CROWDED * len(table):
        return None
    padded = np.full((len(table), max(counts), 2), np.inf, np.float32)
    for row, offsets in enumerate(found):
        padded[row, : len(offsets)] = offsets
    return torch.from_numpy(padded)


def touching_distance(table: ParticleTable) -> float | None:
    """Diameter in angstrom of round particles so crowded that they touch; None for others.

    Distances to the nearest neighbour then pile up at the diameter; between particles of any other shape, or far
    apart, they scatter.
    """
    nearest = [cKDTree(place).query(place, 2)[0][:, 1] for _, place in _micrographs(table) if len(place) > 1]
    if not nearest:
        return None
    low, middle, high = np.percentile(np.concatenate(nearest), (25, 50, 75))
    return float(middle) if high - low < _NARROW * middle else None


def _micrographs(table: ParticleTable) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and places, in angstrom, of the particles of each micrograph; nothing where the table does not tell."""
    pixel_size = next((table.numbers(name) for name in _PIXEL_SIZES if name in table.data), None)
    if pixel_size is None or not set(_PLACE) <= set(table.data):
        return
    place = np.stack([table.numbers(name) for name in _PLACE[1:]], axis=-1) * pixel_size[:, None]
    for rows in table.data.groupby(_PLACE[0], sort=False).indices.values():
        yield np.asarray(rows), place[rows]
