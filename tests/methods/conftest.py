"""A CryoGAN of a few hundred voxels, with everything a real one has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from frazil.geometry import centred_coordinates
from frazil.methods.base import StepContext
from frazil.methods.cryogan import CryoGAN, CryoGANConfig, HalfConditions
from frazil.physics import CTF, ColouredNoise, TriangularShifts, UniformRotations

FIELD = 96.0
PARTICLES = 6


def tiny_config(**changes: Any) -> CryoGANConfig:
    """Two stages of two steps each; every choice that is not the test's own is left at its default."""
    values = {
        "boxes": (16, 24),
        "steps": (2, 2),
        "batch_sizes": (4, 8),
        "critic_steps": 2,
        "critic_width": 4,
    }
    return CryoGANConfig(**{**values, **changes})


def lenses(count: int) -> CTF:
    """Lenses that are all different."""
    ramp = torch.linspace(0, 1, count)
    return CTF(
        defocus_u=12_000 + 8_000 * ramp,
        defocus_v=11_000 + 8_000 * ramp,
        astigmatism_deg=180 * ramp,
        voltage_kv=torch.full((count,), 300.0),
        cs_mm=torch.full((count,), 2.7),
        amplitude_contrast=torch.full((count,), 0.1),
        phase_shift_deg=torch.zeros(count),
        b_factor=torch.zeros(count),
    )


def tiny_conditions(boxes: tuple[int, ...] = (16, 24), slope: float = 1.0) -> HalfConditions:
    """Conditions of one half: six particles on two micrographs with noise of different colours."""
    power = {box: torch.stack([torch.linspace(1 + slope, 1, box // 2 + 1), torch.ones(box // 2 + 1)]) for box in boxes}
    return HalfConditions(
        rotations=UniformRotations(),
        shifts=TriangularShifts(3.0, FIELD),
        ctf=lenses(PARTICLES),
        noise=ColouredNoise(power, torch.arange(PARTICLES) % 2),
        particles=PARTICLES,
        field=FIELD,
    )


def tiny_cryogan(config: CryoGANConfig | None = None, conditions: list[HalfConditions] | None = None) -> CryoGAN:
    """A CryoGAN of two halves with different noise."""
    config = config or tiny_config()
    conditions = conditions or [tiny_conditions(config.boxes, slope) for slope in (1.0, 2.0)]
    return CryoGAN(config, conditions, support=(36.0, 42.0))


def made_up_images(config: CryoGANConfig, context: StepContext) -> list[torch.Tensor]:
    """Blurred noise as this rank's share of the real images of a step, for each half; the blob is the particle."""
    stage = config.stage(context.step)
    axis = torch.arange(stage.box) - stage.box // 2
    blob = 2 * torch.exp(-(axis[:, None].square() + axis.square()) / (2 * (stage.box / 8) ** 2))
    batches = []
    for half in range(2):
        generator = context.generator("images", half)
        shape = (config.critic_steps, stage.batch_size, stage.box, stage.box)
        images = blob + torch.randn(shape, generator=generator, device=context.device)
        batches.append(images[:, context.share(stage.batch_size)])
    return batches


def smooth_blob(box: int) -> torch.Tensor:
    """Off the centre of a field of 96 angstrom, and smooth at any box."""
    place = centred_coordinates(box, 3) * (96.0 / box) - torch.tensor([9.0, -6.0, 3.0])
    return torch.exp(-place.square().sum(-1) / (2 * 10.0**2))


@dataclass(frozen=True)
class Tiny:
    """What the tests of CryoGAN build their methods from."""

    config: Callable[..., CryoGANConfig]
    conditions: Callable[..., HalfConditions]
    cryogan: Callable[..., CryoGAN]
    images: Callable[..., list[torch.Tensor]]
    lenses: Callable[..., CTF]
    blob: Callable[[int], torch.Tensor]


@pytest.fixture
def tiny() -> Tiny:
    """Builders of a tiny CryoGAN and its data."""
    return Tiny(tiny_config, tiny_conditions, tiny_cryogan, made_up_images, lenses, smooth_blob)
