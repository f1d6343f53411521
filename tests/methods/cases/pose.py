"""The pose encoder, of blots off the centre."""

from collections.abc import Callable

import torch
from torch import Tensor

from frazil.geometry import random_rotations
from frazil.methods.base import Method, StepContext
from frazil.methods.pose import PoseConfig, PosedImages, PoseLearner
from tests.methods.cases.case import Case

CONFIG = PoseConfig(steps=3, batch_size=4, order=1, width=8)


def posed(count: int, generator: torch.Generator) -> PosedImages:
    """A blot where the particle's x axis points, on noise."""
    rotation = random_rotations(count, generator, torch.get_default_dtype())
    centre = 8 + 5 * rotation[:, :2, 0]
    axis = torch.arange(16.0)
    square = (axis - centre[:, :1])[:, None, :] ** 2 + (axis - centre[:, 1:])[:, :, None] ** 2
    return PosedImages(3 * torch.exp(-square / 8) + torch.randn(count, 16, 16, generator=generator), rotation)


def batch(context: StepContext) -> PosedImages:
    drawn, own = posed(4, context.generator("data", device="cpu")), context.share(4)
    return PosedImages(*(part[own].to(context.device) for part in drawn))


def learnt(method: Method) -> dict[str, Tensor]:
    """The network's parameters."""
    return {name: value.clone() for name, value in method.state_dict()["net"].items()}


def case() -> Case:
    """A grid of 60 degrees and a few images held out."""
    held_out = posed(6, torch.Generator().manual_seed(4))
    return Case(lambda: PoseLearner(CONFIG, 16, "C2", 0, held_out), batch, 3, learnt)


CASES: dict[str, Callable[[], Case]] = {"pose": case}
