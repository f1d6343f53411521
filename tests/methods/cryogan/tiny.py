"""A CryoGAN of a few thousand voxels, with everything a real one has, and images for it."""

from collections.abc import Callable
from typing import Any

import torch

from frazil.data import Support
from frazil.geometry import centred_coordinates
from frazil.methods.base import StepContext
from frazil.methods.cryogan import CryoGAN, CryoGANConfig, HalfConditions
from frazil.physics import CTF, ColouredNoise, TriangularShifts, UniformRotations
from tests.methods.steps import at

FIELD = 96.0
"""Side of the box in angstrom."""
SUPPORT = Support(36.0, 6.0)
PARTICLES = 6
"""Of one half."""


def config(**changes: Any) -> CryoGANConfig:
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


def conditions(boxes: tuple[int, ...] = (16, 24), slope: float = 1.0) -> HalfConditions:
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


def cryogan(recipe: CryoGANConfig | None = None, halves: list[HalfConditions] | None = None) -> CryoGAN:
    """A CryoGAN of two halves with different noise."""
    recipe = recipe or config()
    halves = halves or [conditions(recipe.boxes, slope) for slope in (1.0, 2.0)]
    return CryoGAN(recipe, halves, support=SUPPORT)


def images(recipe: CryoGANConfig, context: StepContext) -> list[torch.Tensor]:
    """White noise on a blob, the particle: this rank's share of the real images of a step, for each half."""
    stage = recipe.stage(context.step)
    axis = torch.arange(stage.box) - stage.box // 2
    particle = 2 * torch.exp(-(axis[:, None].square() + axis.square()) / (2 * (stage.box / 8) ** 2))
    batches = []
    for half in range(2):
        generator = context.generator("images", half)
        shape = (recipe.critic_steps, stage.batch_size, stage.box, stage.box)
        joined = particle.to(context.device) + torch.randn(shape, generator=generator, device=context.device)
        batches.append(joined[:, context.share(stage.batch_size)])
    return batches


def blob(box: int) -> torch.Tensor:
    """Off the centre of the field, and smooth at any box."""
    place = centred_coordinates(box, 3) * (FIELD / box) - torch.tensor([9.0, -6.0, 3.0])
    return torch.exp(-place.square().sum(-1) / (2 * 10.0**2))


def trained(
    method: CryoGAN, steps: int, change: Callable[[list[torch.Tensor]], list[torch.Tensor]] | None = None
) -> list[dict[str, Any]]:
    """The halves' states after some steps; `change` may alter the images that they see."""
    for step in range(steps):
        batch = images(method.config, at(step))
        method.update(change(batch) if change else batch, at(step))
    return [half.state_dict() for half in method.halves]
