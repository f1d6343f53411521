"""The detector counts electrons."""

import torch
from jaxtyping import Float
from torch import Tensor


def count_electrons(expected: Float[Tensor, "y x"], generator: torch.Generator) -> Float[Tensor, "y x"]:
    """Electrons counted in each pixel where so many are expected: Poisson's distribution."""
    return torch.poisson(expected.clamp(min=0), generator)
