"""Particles cut out of micrographs, their background flat, of mean 0 and variance 1."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from frazil.geometry import centred_coordinates, fourier_crop

_ROUNDING = 1e-7  # of the largest value, below which a deviation is none


def whole_boxes(
    places: Float[np.ndarray, "count xy"], box: int, size: tuple[int, int]
) -> tuple[Int[np.ndarray, "count xy"], Bool[np.ndarray, " count"]]:
    """The pixel nearest to each place, and whether a box around it lies within a micrograph of (x, y) pixels."""
    centres = np.rint(places).astype(np.int64)
    corners = centres - box // 2
    return centres, ((corners >= 0) & (corners + box <= np.array(size))).all(1)


def cut_out(
    image: Float[Tensor, "y x"], centres: Int[np.ndarray, "count xy"], box: int
) -> Float[Tensor, "count box box"]:
    """Boxes around pixels of a micrograph, the pixel at box // 2."""
    corners = (centres - box // 2).tolist()
    return torch.stack([image[y : y + box, x : x + box] for x, y in corners])


def normalised(images: Float[Tensor, "count box box"], radius_px: float, side: int) -> Float[Tensor, "count side side"]:
    """Images of `side` pixels, less the plane through what lies farther than a radius from the centre, and by its
    standard deviation.

    As RELION's extraction does; the pixel side // 2 is the centre still. ValueError with the place, from 1, of an image
    whose background is all the same.
    """
    flat = _without_plane(images, radius_px)
    small = fourier_crop(flat, side) if side < images.shape[-1] else flat
    background = small[:, _outside(side, radius_px * side / images.shape[-1])]
    deviation = background.std(dim=1)
    same = deviation <= _ROUNDING * images.double().abs().amax((-1, -2))
    if same.any():
        raise ValueError(f"the background of particle {int(same.nonzero()[0]) + 1} is all the same")
    return ((small - background.mean(1)[:, None, None]) / deviation[:, None, None]).float()


def _without_plane(images: Float[Tensor, "count box box"], radius_px: float) -> Float[Tensor, "count box box"]:
    """Least squares over the background."""
    grid = centred_coordinates(images.shape[-1], 2).double()
    plane = torch.cat([grid, torch.ones_like(grid[..., :1])], -1)
    outside = _outside(images.shape[-1], radius_px)
    slope = torch.linalg.lstsq(plane[outside], images.double()[:, outside].T).solution
    return images.double() - (plane @ slope).movedim(-1, 0)


def _outside(box: int, radius_px: float) -> Bool[Tensor, "box box"]:
    return centred_coordinates(box, 2).norm(dim=-1) > radius_px
