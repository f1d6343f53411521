"""Critics: how real does a particle image look?"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


def _channels(width: int, blocks: int, box: int) -> list[int]:
    if box < 2**blocks:
        raise ValueError(f"a critic of {blocks} blocks needs images of {2**blocks} px or more, these have {box}")
    return [1] + [width * 2**block for block in range(blocks)]


def _score(features: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, 1))


class PooledCritic(nn.Module):
    """CryoGAN's own critic: [3x3 convolution, 2x max-pool, LeakyReLU] blocks, then two linear layers.

    `width` channels in the first block, twice as many in each further one. No normalisation layers: they would tie
    the images of a batch together, and the gradient penalty is of one image (Gupta et al. 2021, section III-C).
    """

    def __init__(self, box: int, width: int = 96, blocks: int = 6, hidden: int = 10) -> None:
        super().__init__()
        channels = _channels(width, blocks, box)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(2), nn.LeakyReLU(0.1)]
        self.features: nn.Sequential = nn.Sequential(*layers)
        self.score = _score(channels[-1] * (box // 2**blocks) ** 2, hidden)

    def forward(self, images: Float[Tensor, "batch box box"]) -> Float[Tensor, " batch"]:
        """Score of each image; the higher, the more real."""
        return self.score(torch.flatten(self.features(images[:, None]), 1))[:, 0]


class StridedCritic(nn.Module):
    """Critic whose 4x4 convolutions take every second pixel: a third of the work of convolving, then pooling.

    Channels last in memory: the fastest layout of these few channels.
    """

    def __init__(self, box: int, width: int = 16, blocks: int = 4, hidden: int = 10) -> None:
        super().__init__()
        channels = _channels(width, blocks, box)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(0.1)]
        self.features: nn.Sequential = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.score = _score(channels[-1] * (box // 2**blocks) ** 2, hidden)

    def forward(self, images: Float[Tensor, "batch box box"]) -> Float[Tensor, " batch"]:
        """Score of each image; the higher, the more real."""
        return self.score(torch.flatten(self.features(images[:, None]), 1))[:, 0]
