"""The translator: a micrograph of one kind to one that looks like another's, particles where they were."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from frazil.nets.residual_block import SLOPE, ResidualBlock, calm

Levels = list[Float[Tensor, "batch _width _y _x"]]
"""What an encoder sees at each level, the finest first."""


def _convolution(inputs: int, outputs: int, side: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, padding=side // 2, padding_mode="reflect")


class Translator(nn.Module):
    """A U-Net of `depth` halvings, `width` channels at full size and at most four times as many below.

    No normalisation, so a micrograph's tiles need not know of each other, and a linear output, added to the input. It
    also takes noise of its own, white and of variance 1, which it may turn into what the input lacks. Sides must be
    multiples of 2^depth.
    """

    def __init__(self, width: int = 32, depth: int = 3, blocks: int = 2) -> None:
        super().__init__()
        self.widths = [min(width * 2**level, 4 * width) for level in range(depth + 1)]
        self.strides = [2**level for level in range(depth + 1)]
        self.enter = _convolution(2, width, 5)
        self.down = nn.ModuleList(_convolution(before, after) for before, after in pairwise(self.widths))
        self.encode = nn.ModuleList(ResidualBlock(_convolution, width) for width in self.widths)
        self.middle = nn.Sequential(*(ResidualBlock(_convolution, self.widths[-1]) for _ in range(blocks)))
        self.up = nn.ModuleList(_convolution(coarse, fine) for fine, coarse in pairwise(self.widths))
        self.decode = nn.ModuleList(ResidualBlock(_convolution, width) for width in self.widths[:-1])
        self.leave = _convolution(width, 1)
        calm(self.leave)

    @property
    def reach(self) -> int:
        """Pixels around a place that its output depends on."""
        # Two convolutions a block, one in between, at each level, down and up.
        per_level = [2**level for level in range(len(self.widths))]
        return 3 + sum(6 * step for step in per_level) + 4 * per_level[-1]

    def features(self, images: Float[Tensor, "batch y x"], noise: Float[Tensor, "batch y x"]) -> Levels:
        """What the encoder sees."""
        seen = self.enter(torch.stack([images, noise], 1))
        levels = [self.encode[0](seen)]
        for convolution, block in zip(self.down, list(self.encode)[1:], strict=True):
            levels.append(block(convolution(avg_pool2d(leaky_relu(levels[-1], SLOPE), 2))))
        return levels

    def paint(self, images: Float[Tensor, "batch y x"], levels: Levels) -> Float[Tensor, "batch y x"]:
        """The output for an input and its features."""
        seen = self.middle(levels[-1])
        for fine, convolution, block in zip(levels[-2::-1], list(self.up)[::-1], list(self.decode)[::-1], strict=True):
            seen = block(fine + convolution(interpolate(leaky_relu(seen, SLOPE), scale_factor=2, mode="nearest")))
        return images + self.leave(leaky_relu(seen, SLOPE))[:, 0]

    def forward(
        self, images: Float[Tensor, "batch y x"], noise: Float[Tensor, "batch y x"]
    ) -> Float[Tensor, "batch y x"]:
        """Images as the other kind would show them."""
        return self.paint(images, self.features(images, noise))


class PlaceProjector(nn.Module):
    """Features of each level at some places, each through two layers of its own; levels beyond `strides` are left."""

    def __init__(self, widths: list[int], strides: list[int], features: int = 128) -> None:
        super().__init__()
        self.strides = strides
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, features), nn.ReLU(), nn.Linear(features, features)) for width in widths
        )

    def forward(
        self, levels: Levels, places: Float[Tensor, "batch places xy"]
    ) -> list[Float[Tensor, "batch places features"]]:
        """`places` are pixels of the image."""
        found = []
        for level, head, stride in zip(levels, self.heads, self.strides, strict=False):
            at = (places / stride).long()
            index = (at[..., 1] * level.shape[-1] + at[..., 0])[:, None].expand(-1, level.shape[1], -1)
            found.append(head(level.flatten(2).gather(2, index).mT))
        return found


class PatchCritic(nn.Module):
    """How real each patch of a micrograph looks: `blocks` halvings, spectral norm, no normalisation of activations."""

    def __init__(self, width: int = 32, blocks: int = 3) -> None:
        super().__init__()
        channels = [1] + [min(width * 2**block, 8 * width) for block in range(blocks + 1)]
        layers: list[nn.Module] = []
        for block, (before, after) in enumerate(pairwise(channels)):
            stride = 2 if block < blocks else 1
            layers.append(nn.utils.parametrizations.spectral_norm(nn.Conv2d(before, after, 4, stride, 1)))
            layers.append(nn.LeakyReLU(SLOPE))
        self.score = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4, 1, 1))

    def forward(self, images: Float[Tensor, "batch y x"]) -> Float[Tensor, "batch _y _x"]:
        return self.score(images[:, None])[:, 0]
