"""Subtomograms of one kind to ones that look like another's, molecules where they were."""

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, interpolate, leaky_relu

from frazil.nets.residual_block import SLOPE, ResidualBlock, calm


def _convolution(inputs: int, outputs: int, bias: bool = True) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, 3, padding=1, padding_mode="replicate", bias=bias)


class VolumeTranslator(nn.Module):
    """A U-Net of `depth` halvings, `width` channels at full size, twice as many at each level below.

    Linear, added to its input, and without normalisation, so that tiles need not know of each other. It also takes
    white noise of its own, which it may turn into what the input lacks. Sides must be multiples of 2^depth. Where
    there are `classes`, it is told each volume's: what that adds to the deepest level's channels begins as nothing.
    """

    def __init__(self, width: int = 8, depth: int = 2, classes: int = 0) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.classes = nn.Parameter(torch.zeros(classes, widths[-1], 1, 1, 1)) if classes else None
        self.enter = _convolution(2, width)
        self.down = nn.ModuleList(_convolution(before, after) for before, after in pairwise(widths))
        self.encode = nn.ModuleList(ResidualBlock(_convolution, width) for width in widths)
        self.up = nn.ModuleList(_convolution(coarse, fine) for fine, coarse in pairwise(widths))
        self.decode = nn.ModuleList(ResidualBlock(_convolution, width) for width in widths[:-1])
        self.leave = _convolution(width, 1, bias=False)  # volumes have no mean that could be learnt
        calm(self.leave)

    @property
    def reach(self) -> int:
        """Voxels around a place that its output depends on, or a few more."""
        # Two convolutions a block and one in between, at each level, down and up; halving and doubling move a little.
        levels = len(self.encode)
        return 4 + sum(7 * 2**level for level in range(levels))

    def noise(self, volumes: Float[Tensor, "batch z y x"], generator: torch.Generator) -> Float[Tensor, "batch z y x"]:
        """Standard normal, a value for each voxel."""
        return torch.randn(volumes.shape, generator=generator, device=generator.device)

    def forward(
        self,
        volumes: Float[Tensor, "batch z y x"],
        noise: Float[Tensor, "batch z y x"],
        label: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch z y x"]:
        """Volumes with what they lacked; `label` counts the classes from 0, where there are any."""
        levels = [self.encode[0](self.enter(torch.stack([volumes, noise], 1)))]
        for convolution, block in zip(self.down, list(self.encode)[1:], strict=True):
            levels.append(block(convolution(avg_pool3d(leaky_relu(levels[-1], SLOPE), 2))))
        seen = levels.pop()
        if self.classes is not None and label is not None:
            seen = seen + self.classes[label]
        for fine, convolution, block in zip(levels[::-1], list(self.up)[::-1], list(self.decode)[::-1], strict=True):
            seen = block(fine + convolution(interpolate(leaky_relu(seen, SLOPE), scale_factor=2, mode="nearest")))
        return volumes + self.leave(leaky_relu(seen, SLOPE))[:, 0]


class VolumeCritic(nn.Module):
    """How real each patch of a volume looks: `blocks` halvings, spectral norm if wanted, no activations normalised."""

    def __init__(self, width: int = 16, blocks: int = 3, spectral: bool = True) -> None:
        super().__init__()
        channels = [1] + [width * 2**block for block in range(blocks)]
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [bounded(nn.Conv3d(before, after, 4, 2, 1), spectral), nn.LeakyReLU(SLOPE)]
        # Without a bias, which a Wasserstein distance does not feel.
        self.score = nn.Sequential(*layers, bounded(nn.Conv3d(channels[-1], 1, 3, 1, 1, bias=False), spectral))

    def forward(self, volumes: Float[Tensor, "batch z y x"]) -> Float[Tensor, "batch _z _y _x"]:
        seen = self.score[:-1](volumes[:, None])
        # In bfloat16 a CPU gives gradients of this layer that are not finite now and then, where few voxels are left.
        with torch.autocast(seen.device.type, enabled=False):
            return self.score[-1](seen.to(next(self.parameters()).dtype))[:, 0]


def bounded(layer: nn.Conv3d, spectral: bool) -> nn.Module:
    """A layer whose slope is 1 at most, if wanted (Miyato et al., ICLR 2018)."""
    return nn.utils.parametrizations.spectral_norm(layer) if spectral else layer
