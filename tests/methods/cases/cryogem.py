"""CryoGEM, of tiny crops."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from frazil.data.unpaired import UnpairedCrops
from frazil.methods.base import Method, StepContext
from frazil.methods.cryogem import CryoGEM, CryoGEMConfig
from tests.methods.cases.case import Case

CONFIG = CryoGEMConfig(steps=3, batch_size=2, crop=32, places=8, width=8, depth=2, critic_width=8)


def batch(context: StepContext) -> UnpairedCrops:
    generator = context.generator("data", device="cpu")
    simulated, real = torch.randn(2, 2, 32, 32, generator=generator)
    mask = torch.rand(2, 32, 32, generator=generator) < 0.3
    own = context.share(2)
    return UnpairedCrops(*(part[own].to(context.device) for part in (simulated, mask, real)))


def learnt(method: Method) -> dict[str, Tensor]:
    """All weights but the spectral norms' vectors, which follow from them."""
    state = method.state_dict()
    return {
        f"{part}.{name}": value.clone()
        for part in ("translator", "critic", "projector")
        for name, value in state[part].items()
        if "_u" not in name and "_v" not in name
    }


WHOLE = replace(CONFIG, networks="published", depth=4, critic_width=4)

CASES: dict[str, Callable[[], Case]] = {
    "cryogem": lambda: Case(lambda: CryoGEM(CONFIG, seed=0), batch, 3, learnt),
    "cryogem, all places": lambda: Case(lambda: CryoGEM(replace(CONFIG, negatives="all"), seed=0), batch, 2, learnt),
    "cryogem, published networks": lambda: Case(lambda: CryoGEM(WHOLE, seed=0), batch, 2, learnt),
}
