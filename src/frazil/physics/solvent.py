"""The ice around the particles: how thick it is, and how much of the beam it takes."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

_LEAST = 0.05  # of the beam comes through in any case
_KNOTS = 6  # along the longer side, between which the thickness changes smoothly


def smooth_transmission(size: tuple[int, int], variation: float, generator: torch.Generator) -> Float[Tensor, "y x"]:
    """What part of the beam smoothly uneven ice lets through, over a field of (x, y) pixels; 1 on average.

    exp(-t / Lambda) for a thickness t that is Gaussian with long waves, and the mean free path Lambda; `variation` is
    the standard deviation of t / Lambda.
    """
    across, down = (max(2, round(_KNOTS * side / max(size))) for side in size)
    knots = torch.randn(1, 1, down, across, generator=generator, device=generator.device)
    thickness = interpolate(knots, size=(size[1], size[0]), mode="bicubic", align_corners=True)[0, 0]
    spread = (thickness - thickness.mean()) / thickness.std()
    transmission = torch.exp(-variation * spread)
    return transmission / transmission.mean()


def measured_transmission(
    size: tuple[int, int], levels: Float[Tensor, "rows columns"], noise: float
) -> Float[Tensor, "y x"]:
    """What part of the beam ice lets through whose levels are known, in standard deviations of a noise.

    `noise` is that deviation as a part of the beam; `levels` lie evenly over the field of (x, y) pixels.
    """
    wide = interpolate(levels[None, None], size=(size[1], size[0]), mode="bicubic", align_corners=True)[0, 0]
    return (1 + noise * wide).clamp(min=_LEAST)
