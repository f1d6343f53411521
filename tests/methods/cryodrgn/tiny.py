"""A cryoDRGN small enough for tests: the pseudo-protein of two shapes, in 16 pixels."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from frazil.data import ImageBatch, Support, epoch_rows
from frazil.data.heterogeneity import Heterogeneity, structures
from frazil.data.scatterers import read_scatterers
from frazil.geometry import Pose
from frazil.inference import ParticleImages
from frazil.methods.base import StepContext
from frazil.methods.cryodrgn import CryoDRGN, CryoDRGNConfig, Split
from frazil.physics import CTF, CTFRanges, ImagingPrior, TriangularShifts, UniformRotations, form_images

BOX, PIXEL_SIZE, COUNT = 16, 10.0, 40


def config(**changes: Any) -> CryoDRGNConfig:
    small = {"latent_dim": 2, "batch_size": 8, "encoder_width": 16, "decoder_width": 16, "encoder_depth": 1}
    return CryoDRGNConfig(**{**small, **changes})


@dataclass(frozen=True)
class Taken:
    """Images and how they were taken."""

    images: Tensor
    pose: Pose
    ctf: CTF


def particles(uneven: float = 0.0) -> Taken:
    """Images of two structures in turns, with a little noise, in the precision that tests compute in.

    They show them more and less strongly by the standard deviation `uneven`.
    """
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)  # they are kept, and the same whichever test asks first
    try:
        own = _particles(uneven)
    finally:
        torch.set_default_dtype(dtype)
    return Taken(own.images.to(dtype), own.pose.to(dtype), own.ctf.to(dtype))


@cache
def _particles(uneven: float) -> Taken:
    generator = torch.Generator().manual_seed(0)
    how = Heterogeneity("discrete", 2, moving="2")
    volumes = [
        one.molecule.volume(BOX, PIXEL_SIZE, 20.0) for one in structures(read_scatterers("pseudo-protein"), how, 0)
    ]
    prior = ImagingPrior(UniformRotations(), TriangularShifts(5.0, BOX * PIXEL_SIZE), CTFRanges())
    conditions = prior.sample(COUNT, generator)
    assert conditions.ctf is not None
    images = torch.empty(COUNT, BOX, BOX)
    for number, volume in enumerate(volumes):
        part = slice(number, None, 2)
        images[part] = form_images(volume, conditions.pose[part], conditions.ctf[part], PIXEL_SIZE)
    strength = 1 + uneven * torch.randn(COUNT, 1, 1, generator=torch.Generator().manual_seed(1))
    images = strength * images / images.std() + torch.randn(images.shape, generator=generator)
    return Taken(images, conditions.pose, conditions.ctf)


def data() -> ParticleImages:
    own = particles()
    return ParticleImages(lambda rows: own.images[rows], own.ctf, COUNT, BOX, PIXEL_SIZE)


def split(halves: bool = True) -> Split:
    rows = torch.arange(COUNT)
    learnt = rows[8:]
    return Split(learnt, rows[:8], (learnt[::2], learnt[1::2]) if halves else None)


def cryodrgn(pose: Pose | None = None, **changes: Any) -> CryoDRGN:
    """By the true poses unless others are given."""
    own = config(**changes)
    return CryoDRGN(own, data(), pose or particles().pose, split(own.halves), Support(56.0, 8.0), seed=3)


def batch(context: StepContext, config: CryoDRGNConfig) -> list[ImageBatch]:
    """This rank's share of each model's images of a step."""
    images = particles().images
    rows = []
    for number, own in enumerate(split(config.halves).sets):
        size = config.batch_size // (2 if number else 1)
        rows.append(epoch_rows(own, context.step, size, context.seed)[context.share(size)])
    return [ImageBatch(own, images[own]) for own in rows]
