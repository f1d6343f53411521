"""Lipid bilayers: a patch of one, as blobs."""

import math

import torch

from frazil.data.phantoms import GaussianBlobs

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
