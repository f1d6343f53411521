"""Lipid bilayers: a patch of one, as blobs, and whole vesicles."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from frazil.data.phantoms import GaussianBlobs
from frazil.geometry import centred_coordinates

_RADIUS = 160.0  # angstrom, of the patch
_AREA = 65.0  # square angstrom that a lipid takes
_HEAD, _HEAD_SIGMA, _HEAD_WEIGHT = 18.0, 4.0, 600.0  # phosphate and glycerol: distance from the middle, width, weight
_BEND = 450.0  # angstrom, radius of the vesicle that the patch would be of


def membrane_blobs() -> GaussianBlobs:
    """A round patch of bilayer, slightly bent, about the middle of its density: two leaflets of lipid heads.

    The tails between them are as dense as water, and so not seen.
    """
    lipids = int(math.pi * _RADIUS**2 / _AREA)
    number = torch.arange(lipids) + 0.5
    # A sunflower's seeds: evenly spread, without a lattice whose spots would show.
    radius, angle = _RADIUS * (number / lipids).sqrt(), math.pi * (1 + 5**0.5) * number
    leaflets = []
    for side in (-1.0, 1.0):
        z = side * _HEAD - radius.square() / (2 * _BEND)
        leaflets.append(torch.stack([radius * angle.cos(), radius * angle.sin(), z], -1))
    centres = torch.cat(leaflets)
    count = len(centres)
    sigmas, weights = torch.full((count,), _HEAD_SIGMA), torch.full((count,), _HEAD_WEIGHT)
    return GaussianBlobs(centres - centres.mean(0), sigmas, weights)


def vesicle_volume(radius: float, pixel_size: float) -> Float[Tensor, "box box box"]:
    """A round vesicle whose wall's middle is `radius` angstrom from its own: two leaflets as dense as protein."""
    distance = _from_middle(radius, pixel_size)
    sigma = max(_HEAD_SIGMA, pixel_size / 2)
    leaflets = [torch.exp(-0.5 * ((distance - radius - side * _HEAD) / sigma) ** 2) for side in (-1.0, 1.0)]
    return (leaflets[0] + leaflets[1]) * (_HEAD_SIGMA / sigma)


def vesicle_wall(radius: float, pixel_size: float) -> Bool[Tensor, "box box box"]:
    """The voxels of a vesicle's wall, on the grid of `vesicle_volume`."""
    return (_from_middle(radius, pixel_size) - radius).abs() < _HEAD + 2 * _HEAD_SIGMA


def _from_middle(radius: float, pixel_size: float) -> Float[Tensor, "box box box"]:
    """Distance in angstrom of the voxels of a grid in which a vesicle has room."""
    box = 2 * math.ceil((radius + 2 * _HEAD) / pixel_size) + 2
    return centred_coordinates(box, 3).norm(dim=-1) * pixel_size
