"""Where the other particles on the micrograph lie: in crowded data their edges stand in every image."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor

from frazil.io import ParticleTable, micrograph_pixel_size

_PLACE = ("rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY")
_PIXEL_SIZE, _MOVIE_PIXEL_SIZE = "rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize"
_SAME = 0.01  # relative: headers round
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


def assumed_pixel_size(table: ParticleTable) -> str | None:
    """What was taken for the pixel size in which coordinates count, in a sentence, where the table does not say it.

    RELION takes rlnMicrographPixelSize off the tables of extracted particles. What stays is the pixel size of the
    movie, which is another where motion correction binned; the micrographs' headers tell, if they can be read.
    """
    if not _tells_places(table) or _PIXEL_SIZE in table.data:
        return None
    movie, header = table.numbers(_MOVIE_PIXEL_SIZE), _header_pixel_sizes(table)
    unknown, binned = np.isnan(header), np.abs(header - movie) > _SAME * movie
    if unknown.any():
        return (
            f"coordinates are taken to count in {_MOVIE_PIXEL_SIZE}, {movie[unknown][0]:g} angstrom: if micrographs"
            f" were binned since, add {_PIXEL_SIZE} to {table.path}, or give --neighbours none and a --diameter"
        )
    if binned.any():
        return f"coordinates count in pixels of {header[binned][0]:.4g} angstrom, by the micrographs' headers"
    return None


def _tells_places(table: ParticleTable) -> bool:
    return set(_PLACE) <= set(table.data) and not {_PIXEL_SIZE, _MOVIE_PIXEL_SIZE}.isdisjoint(table.data)


def _pixel_sizes(table: ParticleTable) -> np.ndarray:
    """Pixel size in angstrom of each particle's micrograph."""
    if _PIXEL_SIZE in table.data:
        return table.numbers(_PIXEL_SIZE)
    movie, header = table.numbers(_MOVIE_PIXEL_SIZE), _header_pixel_sizes(table)
    return np.where(np.abs(header - movie) > _SAME * movie, header, movie)


def _header_pixel_sizes(table: ParticleTable) -> np.ndarray:
    """By the header of the first micrograph of each pixel size of movies; NaN where there is none to be read."""
    _, first, kind = np.unique(table.numbers(_MOVIE_PIXEL_SIZE), return_index=True, return_inverse=True)
    names = table.data[_PLACE[0]].astype(str)
    found = [micrograph_pixel_size(names.iloc[row], table.path.parent) for row in first]
    return np.array([np.nan if size is None else size for size in found])[kind]


def _micrographs(table: ParticleTable) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and places, in angstrom, of the particles of each micrograph; nothing where the table does not tell."""
    if not _tells_places(table):
        return
    place = np.stack([table.numbers(name) for name in _PLACE[1:]], axis=-1) * _pixel_sizes(table)[:, None]
    for rows in table.data.groupby(_PLACE[0], sort=False).indices.values():
        yield np.asarray(rows), place[rows]
