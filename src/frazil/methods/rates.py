"""How learning rates fall in the course of a run, as a fraction of what they are at first; CryoGAN's own fall is its
configuration's (`methods/cryogan/config.py: rate_factor`)."""

import math
from typing import Any

from torch import Tensor


def from_halfway(done: float) -> float:
    """Evenly to 0 over the second half of a run, of which a part is done (Zhu et al. 2017)."""
    return min(1.0, 2 * (1 - done))


def half_cosine(done: float) -> float:
    """To 0 as half a wave of a cosine (Loshchilov and Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Change the rate of an optimizer's group, where it is if it is a tensor."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate
