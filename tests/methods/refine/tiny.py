"""A refinement of a few hundred images of the built-in specimen."""

from typing import Any

import torch
from torch import Tensor

from frazil.data import Support, pseudo_protein
from frazil.geometry import Pose, random_rotations, symmetrise, symmetry_rotations
from frazil.inference import ParticleImages
from frazil.methods.refine import Refine, RefineConfig
from frazil.physics import form_images, low_pass
from tests.methods.cryogan.tiny import lenses

BOX, PIXEL_SIZE = 16, 10.0
SUPPORT = Support(58.0, 10.0)
"""Radius of the particle and its largest shift, in angstrom."""


def specimen(symmetry: str = "C1") -> Tensor:
    """The volume that the images are of."""
    volume = symmetrise(pseudo_protein(BOX, PIXEL_SIZE), symmetry_rotations(symmetry))
    return volume.to(torch.get_default_dtype())


def poses(half: int, count: int) -> Pose:
    """The true poses of one half's images."""
    generator = torch.Generator().manual_seed(10 + half)
    shift = 6 * torch.randn(count, 2, generator=generator).clamp(-1, 1)
    return Pose(random_rotations(count, generator, torch.get_default_dtype()), shift)


def half_images(half: int, count: int = 40, symmetry: str = "C1", noise: float = 1.0) -> ParticleImages:
    """Images of one half: their noise is `noise` times as strong as their signal."""
    volume, ctf = specimen(symmetry), lenses(count)
    clean = form_images(volume, poses(half, count), ctf, PIXEL_SIZE)
    generator = torch.Generator().manual_seed(20 + half)
    images = clean / clean.std() + noise * torch.randn(clean.shape, generator=generator)
    return ParticleImages(lambda rows: images[rows], ctf, count, BOX, PIXEL_SIZE)


def refine(symmetry: str = "C1", count: int = 40, **changes: Any) -> Refine:
    """A refinement from the true volume, blurred and of another contrast."""
    config = RefineConfig(**{"symmetry": symmetry, "start_resolution": 40.0, "keep": (4, 2), **changes})
    halves = [half_images(half, count, symmetry) for half in range(2)]
    start = 5 * low_pass(specimen(symmetry), PIXEL_SIZE, 40.0)
    return Refine(config, halves, [start, start], SUPPORT)
