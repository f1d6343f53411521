"""The networks of CryoETGAN (Wu et al. 2022), for volumes whose sides are multiples of 4."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from frazil.nets.volume_translator import bounded

_SLOPE = 0.2  # of the critic's units where their input is negative
_INNER = 128  # channels between the halvings and the doublings, and of the noise that joins them


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_layer(nn.Conv3d(width, width, 3, padding=1), width),
            nn.Conv3d(width, width, 3, padding=1),
            nn.InstanceNorm3d(width),
        )

    def forward(self, seen: Tensor) -> Tensor:
        return seen + self.layers(seen)


def _layer(convolution: nn.Module, width: int) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm3d(width), nn.ReLU()]


class PublishedVolumeTranslator(nn.Module):
    """7^3 convolution, two halvings, six residual blocks, noise, two doublings, 7^3 convolution: 7.12 million weights.

    `squashed` puts tanh behind it, as the released code does, though volumes reach beyond 1.
    """

    def __init__(self, squashed: bool = False, blocks: int = 6) -> None:
        super().__init__()
        outer = _INNER // 2
        self._down = nn.Sequential(
            *_layer(nn.Conv3d(1, outer, 7, padding=3), outer),
            *_layer(nn.Conv3d(outer, _INNER, 3, 2, 1), _INNER),
            *_layer(nn.Conv3d(_INNER, _INNER, 3, 2, 1), _INNER),
            *(_Residual(_INNER) for _ in range(blocks)),
        )
        self._up = nn.Sequential(
            *_layer(nn.ConvTranspose3d(2 * _INNER, _INNER, 3, 2, 1, 1), _INNER),
            *_layer(nn.ConvTranspose3d(_INNER, outer, 3, 2, 1, 1), outer),
            nn.Conv3d(outer, 1, 7, padding=3),
            nn.Tanh() if squashed else nn.Identity(),
        )

    def noise(self, volumes: Float[Tensor, "batch z y x"], generator: torch.Generator) -> Tensor:
        """Standard normal, of the bottleneck's shape."""
        inner = [side // 4 for side in volumes.shape[1:]]
        return torch.randn(len(volumes), _INNER, *inner, generator=generator, device=generator.device)

    def forward(self, volumes: Float[Tensor, "batch z y x"], noise: Tensor) -> Float[Tensor, "batch z y x"]:
        """Volumes of the other kind."""
        return self._up(torch.cat([self._down(volumes[:, None]), noise], 1))[:, 0]


class PublishedVolumeCritic(nn.Module):
    """4^3 convolutions of 64, 128, 256 and 512 channels, three of them halving, then one score a patch: 11.05 million.

    `normalised` puts instance norm between them, as the released code does.
    """

    def __init__(self, spectral: bool = True, normalised: bool = False) -> None:
        super().__init__()
        channels, layers = [1, 64, 128, 256, 512], []
        for place, (before, after) in enumerate(pairwise(channels)):
            layers.append(bounded(nn.Conv3d(before, after, 4, 2 if place < 3 else 1, 1), spectral))
            if normalised and place:
                layers.append(nn.InstanceNorm3d(after))
            layers.append(nn.LeakyReLU(_SLOPE))
        self._score = nn.Sequential(*layers, bounded(nn.Conv3d(channels[-1], 1, 4, 1, 1), spectral))

    def forward(self, volumes: Float[Tensor, "batch z y x"]) -> Float[Tensor, "batch _z _y _x"]:
        """How real each patch looks."""
        return self._score(volumes[:, None])[:, 0]
