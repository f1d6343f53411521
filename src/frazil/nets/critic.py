"""The critic: how real does a particle image look?"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ConvCritic(nn.Module):
    """CryoGAN's critic: [3x3 convolution, 2x max-pool, LeakyReLU] blocks, then two linear layers.

    `width` channels in the first block, twice as many in each further one. Pooling the largest response is what lets
    it tell two distributions with the same spectrum apart: strided convolutions in its place stop at 28 angstrom where
    this one reaches 22. No normalisation layers: they would tie the images of a batch together, and the gradient
    penalty is of one image (Gupta et al. 2021, section III-C).
    """

    def __init__(self, box: int, width: int = 96, blocks: int = 6, hidden: int = 10) -> None:
        super().__init__()
        if box < 2**blocks:
            raise ValueError(f"a critic of {blocks} blocks needs images of {2**blocks} px or more, these have {box}")
        channels = [1] + [width * 2**block for block in range(blocks)]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(2), nn.LeakyReLU(0.1)]
        # Channels last in memory: the faster layout for this few of them.
        self.features: nn.Sequential = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        side = box // 2**blocks
        self.score = nn.Sequential(nn.Linear(channels[-1] * side**2, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, 1))

    def forward(self, images: Float[Tensor, "batch box box"]) -> Float[Tensor, " batch"]:
        """Score of each image; the higher, the more real."""
        return self.score(torch.flatten(self.features(images[:, None]), 1))[:, 0]
