"""What translators of micrographs and of volumes are built of: convolutions added to what they were given."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

SLOPE = 0.2
"""Of the units where their input is negative."""
_LITTLE = 0.1  # of the usual weights


def calm(layer: nn.Module) -> None:
    """Let a layer begin with little to say: what it is added to hardly changes at first."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(_LITTLE)


class ResidualBlock(nn.Module):
    """x + convolutions of x, which begin with little to say."""

    def __init__(self, convolution: Callable[[int, int], nn.Module], width: int) -> None:
        """`convolution` makes one of so many channels in and out."""
        super().__init__()
        self.first, self.second = convolution(width, width), convolution(width, width)
        calm(self.second)

    def forward(self, seen: Float[Tensor, "batch width *sides"]) -> Float[Tensor, "batch width *sides"]:
        return seen + self.second(leaky_relu(self.first(leaky_relu(seen, SLOPE)), SLOPE))
