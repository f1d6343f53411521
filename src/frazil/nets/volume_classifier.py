"""The classifier of subtomograms: which of some structures does a small volume show?"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d

_SLOPE = 0.1  # of the units where their input is negative
_GROUPS = 8  # of channels: not batches, whose images would depend on each other


class VolumeClassifier(nn.Module):
    """Three halvings, normalised by group, the mean over what is left, one linear layer; 16 voxels a side or more."""

    def __init__(self, classes: int, width: int = 16, blocks: int = 3) -> None:
        super().__init__()
        channels = [width * 2**block for block in range(blocks)]
        # Wide and every other voxel first: most of the work would else be at a detail that is all noise.
        layers: list[nn.Module] = [nn.Conv3d(1, width, 5, stride=2, padding=2), *_after(width)]
        for before, after in pairwise(channels):
            layers += [nn.Conv3d(before, after, 3, stride=2, padding=1), *_after(after)]
        layers += [nn.Conv3d(channels[-1], channels[-1], 3, padding=1), *_after(channels[-1])]
        self._layers = nn.Sequential(*layers)
        self._score = nn.Linear(channels[-1], classes)

    def features(self, volumes: Float[Tensor, "batch box box box"]) -> Float[Tensor, "batch features"]:
        """What the last layer tells classes by."""
        seen = self._layers(volumes[:, None])
        return avg_pool3d(seen, seen.shape[2:]).flatten(1)

    def forward(self, volumes: Float[Tensor, "batch box box box"]) -> Float[Tensor, "batch classes"]:
        """Logarithm of each class's odds, but for a constant."""
        return self._score(self.features(volumes))


def _after(width: int) -> list[nn.Module]:
    return [nn.GroupNorm(_GROUPS, width), nn.LeakyReLU(_SLOPE)]
