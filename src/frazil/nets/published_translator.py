"""The networks of the released CryoGEM (Zhang et al. 2024): U-Net and patch critic of Isola et al., CVPR 2017."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from frazil.nets.translator import Levels

_SLOPE = 0.2  # of the units where their input is negative
_RANGE = 6.0  # standard deviations of the noise that -1 ... 1 stand for: there outliers are cut
_COMPARED = 5  # levels whose places are compared, of strides 2 to 32


class PublishedTranslator(nn.Module):
    """`depth` convolutions of stride 2, `width` channels at first and at most eight times as many; instance norm, tanh.

    What it makes of a place depends on the whole image, whose sides must be multiples of 2^depth.
    """

    reach = None

    def __init__(self, width: int = 64, depth: int = 10) -> None:
        super().__init__()
        widths = [min(width * 2**level, 8 * width) for level in range(depth)]
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 4, 2, 1, bias=level in (0, depth - 1))
            for level, (before, after) in enumerate(pairwise([1, *widths]))
        )
        # Each level but the last also sees what the encoder saw there.
        inputs = [widths[-1], *(2 * own for own in widths[-2::-1])]
        outputs = [*widths[-2::-1], 1]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, 2, 1, bias=after == 1)
            for before, after in zip(inputs, outputs, strict=True)
        )
        self.widths = widths[:_COMPARED]
        self.strides = [2 ** (level + 1) for level in range(len(self.widths))]

    def features(self, images: Float[Tensor, "batch y x"], noise: Float[Tensor, "batch y x"]) -> Levels:
        """What the encoder sees at every level; it has no use for noise."""
        seen, levels = images[:, None] / _RANGE, []
        for level, convolution in enumerate(self.down):
            seen = convolution(leaky_relu(seen, _SLOPE) if level else seen)
            # The outermost level is not normalised, nor is the innermost, which may be a single pixel.
            if 0 < level < len(self.down) - 1:
                seen = nn.functional.instance_norm(seen)
            levels.append(seen)
        return levels

    def paint(self, images: Float[Tensor, "batch y x"], levels: Levels) -> Float[Tensor, "batch y x"]:
        """The output for an input and its features."""
        seen = levels[-1]
        for convolution, fine in zip(self.up[:-1], levels[-2::-1], strict=True):
            seen = torch.cat([nn.functional.instance_norm(convolution(relu(seen))), fine], 1)
        return _RANGE * torch.tanh(self.up[-1](relu(seen)))[:, 0]

    def forward(
        self, images: Float[Tensor, "batch y x"], noise: Float[Tensor, "batch y x"]
    ) -> Float[Tensor, "batch y x"]:
        """Images as the other kind would show them."""
        return self.paint(images, self.features(images, noise))


class PublishedPatchCritic(nn.Module):
    """How real each patch of 70 x 70 pixels looks; instance norm."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(_SLOPE)]
        for before, after, stride in ((width, 2 * width, 2), (2 * width, 4 * width, 2), (4 * width, 8 * width, 1)):
            layers += [nn.Conv2d(before, after, 4, stride, 1, bias=False), nn.InstanceNorm2d(after)]
            layers.append(nn.LeakyReLU(_SLOPE))
        self.score = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))

    def forward(self, images: Float[Tensor, "batch y x"]) -> Float[Tensor, "batch _y _x"]:
        return self.score(images[:, None] / _RANGE)[:, 0]
