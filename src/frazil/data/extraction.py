"""Particles cut out of micrographs, their background flat, of mean 0 and variance 1."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from frazil.geometry import centred_coordinates, fourier_crop


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


def normalised(images: Float[Tensor, "count box box"], radius_px: float) -> Float[Tensor, "count box box"]:
    """Images less the plane through what lies farther than a radius from the centre, and by its standard deviation.

    As RELION's extraction does. ValueError with the place of an image whose background is all the same.
    """
    grid = centred_coordinates(images.shape[-1], 2).flatten(0, 1).double()
    plane = torch.cat([grid, torch.ones(len(grid), 1)], 1)
    outside = grid.norm(dim=-1) > radius_px
    flat = images.double().flatten(1)
    # A box whose corners are the only background still has enough of it for three numbers.
    slope = torch.linalg.lstsq(plane[outside], flat[:, outside].T).solution
    flat = flat - (plane @ slope).T
    deviation = flat[:, outside].std(dim=1)
    if (deviation <= 0).any():
        raise ValueError(f"the background of particle {int((deviation <= 0).nonzero()[0]) + 1} is all the same")
    return (flat / deviation[:, None]).view_as(images).float()


def scaled(images: Float[Tensor, "count box box"], box: int) -> Float[Tensor, "count _box _box"]:
    """Images of fewer pixels, the pixel box // 2 still the centre."""
    return fourier_crop(images, box) if box < images.shape[-1] else images
