"""The detector, which counts electrons."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Detector:
    """What an exposure is counted with."""

    dose: float
    """Electrons in a pixel."""
    noise: Float[Tensor, "points 2"] | None
    """Spectrum of a background image: frequency and power in any unit; None where electrons are the only noise."""
    mtf: Float[Tensor, "steps 2"] | None
    """Frequency and modulation transfer."""


def count_electrons(expected: Float[Tensor, "y x"], generator: torch.Generator) -> Float[Tensor, "y x"]:
    """Electrons counted in each pixel where so many are expected: Poisson's distribution."""
    return torch.poisson(expected.clamp(min=0), generator)
