"""The picker: how likely is it that a particle's centre lies here?"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

_SLOPE = 0.1  # of the units where their input is negative
_GROUP = 8  # channels that are normalised together
_RARE = -4.0  # logit at the start: centres are rare


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before in (inputs, outputs):
        layers += [
            nn.Conv2d(before, outputs, 3, padding=1, padding_mode="reflect"),
            nn.GroupNorm(outputs // _GROUP, outputs),
        ]
        layers.append(nn.LeakyReLU(_SLOPE))
    return nn.Sequential(*layers)


class PickerNet(nn.Module):
    """A small U-Net: `width` channels at full size, twice as many at each of `depth` halvings.

    Fully convolutional: it is trained on crops and looks at whole micrographs of any size.
    """

    def __init__(self, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(_block(before, after) for before, after in pairwise([1, *widths]))
        self.up = nn.ModuleList(_block(fine + coarse, fine) for fine, coarse in pairwise(widths))
        self.score = nn.Conv2d(width, 1, 1)
        nn.init.constant_(self.score.bias, _RARE)  # type: ignore[arg-type]

    def forward(self, images: Float[Tensor, "batch y x"]) -> Float[Tensor, "batch y x"]:
        """Logit of each pixel's holding a particle's centre."""
        height, width = images.shape[-2:]
        fold = 2 ** len(self.up)
        seen = pad(images[:, None], (0, -width % fold, 0, -height % fold), mode="replicate")
        levels = []
        for number, block in enumerate(self.down):
            seen = block(nn.functional.avg_pool2d(seen, 2) if number else seen)
            levels.append(seen)
        seen = levels.pop()
        for block in list(self.up)[::-1]:
            fine = levels.pop()
            seen = block(torch.cat([fine, interpolate(seen, scale_factor=2, mode="nearest")], 1))
        return self.score(seen)[:, 0, :height, :width]
