"""Frequencies as waves: what lets a network of coordinates learn detail."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

EncodingKind = Literal["gaussian", "geometric"]


class FrequencyEncoding(nn.Module):
    """sin and cos of k d, where k is a frequency in cycles per pixel and d one of many directions.

    gaussian: in directions drawn from a normal distribution, of standard deviation `sigma` times half the box (Tancik
    et al., NeurIPS 2020; cryoDRGN's default). geometric: along the three axes, the lengths a geometric series (Zhong et
    al., ICLR 2020, equation 6). Three times half the box of them.
    """

    directions: Tensor

    def __init__(self, box: int, kind: EncodingKind, sigma: float) -> None:
        super().__init__()
        count = box // 2
        if kind == "gaussian":
            directions = sigma * count * torch.randn(3 * count, 3)
        else:
            scale = box * torch.logspace(0, math.log10(1 / box), count) * math.pi
            directions = torch.cat([scale[:, None] * axis for axis in torch.eye(3)])
        self.register_buffer("directions", directions)

    @property
    def width(self) -> int:
        """How many numbers stand for a frequency."""
        return 2 * len(self.directions)

    def forward(self, points: Float[Tensor, "*batch xyz"]) -> Float[Tensor, "*batch width"]:
        """The waves of frequencies in cycles per pixel. In float32, whatever the network computes in."""
        with torch.autocast(points.device.type, enabled=False):
            phase = points @ self.directions.T
            return torch.cat([phase.sin(), phase.cos()], dim=-1)
