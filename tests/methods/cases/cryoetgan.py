"""CryoETGAN on small volumes: content kept, and the cycle of two translators."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from frazil.data.unpaired import UnpairedVolumes
from frazil.methods.base import Method, StepContext
from frazil.methods.cryoetgan import CryoETGAN, CryoETGANConfig
from frazil.physics.missing_wedge import missing_wedge
from frazil.physics.tilt_scheme import TiltScheme
from tests.methods.cases.case import Case

BOX = 24
CONFIG = CryoETGANConfig(steps=4, batch_size=2, width=4, critic_width=4)
CYCLE = replace(CONFIG, keep="cycle", adversary="wasserstein", optimizer="rmsprop", ema_decay=0.0)


def batch(context: StepContext) -> UnpairedVolumes:
    generator = context.generator("volumes", device="cpu")
    drawn = torch.randn(2, 2, BOX, BOX, BOX, generator=generator)
    own, label = context.share(2), torch.arange(2)
    return UnpairedVolumes(*(part[own].to(context.device) for part in (*drawn, label)))


def learnt(method: Method) -> dict[str, Tensor]:
    """The parameters of all networks; of a layer with spectral norm, of what is normalised."""
    nets = method.state_dict()["nets"]
    return {
        f"{net} {name}": value.clone()
        for net, own in nets.items()
        for name, value in own.items()
        if net != "average" and value.is_floating_point() and "._u" not in name and "._v" not in name
    }


def case(config: CryoETGANConfig) -> Callable[[], Case]:
    seen = ~missing_wedge(TiltScheme().series(None).rotation, BOX)
    return lambda: Case(lambda: CryoETGAN(config, seen, seed=0, structures=2), batch, 3, learnt)


CASES: dict[str, Callable[[], Case]] = {
    "cryoetgan": case(CONFIG),
    "cryoetgan, cycle": case(CYCLE),
    "cryoetgan, classes told": case(replace(CONFIG, conditional=True)),
}
