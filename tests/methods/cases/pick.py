"""The picker, of two small micrographs."""

from collections.abc import Callable

import torch
from torch import Tensor

from frazil.data.micrograph_crops import Crops, CropSampler, KnownMicrograph
from frazil.data.micrographs import ScaledMicrograph
from frazil.methods.base import Method, StepContext
from frazil.methods.pick import PickConfig, Picker
from tests.methods.cases.case import Case

CONFIG = PickConfig(steps=3, batch_size=4, crop=24, particle_px=8.0, width=8, depth=2)


def known(seed: int, count: int = 9) -> KnownMicrograph:
    """Dark blots on noise, 48 x 40 pixels."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(40, 48, generator=generator)
    places = torch.rand(count, 2, generator=generator) * torch.tensor([47.0, 39.0])
    y, x = torch.arange(40.0)[:, None], torch.arange(48.0)
    for across, down in places.tolist():
        image -= 3 * torch.exp(-((x - across) ** 2 + (y - down) ** 2) / 8)
    return KnownMicrograph(ScaledMicrograph(f"{seed}.mrc", image, torch.ones(2)), places)


def batch(context: StepContext) -> Crops:
    drawn = CropSampler([known(0), known(1)], 24, 8.0).draw(4, context.generator("crops", device="cpu"))
    own = context.share(4)
    return Crops(drawn.images[own].to(context.device), drawn.truth[own].to(context.device))


def learnt(method: Method) -> dict[str, Tensor]:
    """The network's parameters."""
    return {name: value.clone() for name, value in method.state_dict()["net"].items()}


def case() -> Case:
    """A network of two levels, and a micrograph held out."""
    return Case(lambda: Picker(CONFIG, [known(2)], seed=0), batch, 3, learnt)


CASES: dict[str, Callable[[], Case]] = {"pick": case}
