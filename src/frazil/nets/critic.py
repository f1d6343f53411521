"""The critic: how real does a particle image look?"""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, interpolate, leaky_relu, max_pool2d, max_unpool2d, pad

_LEAK = 0.1  # slope of the units where their input is negative


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
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(2), nn.LeakyReLU(_LEAK)]
        # Channels last in memory: the faster layout for this few of them.
        self.features: nn.Sequential = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        side = box // 2**blocks
        self.score = nn.Sequential(nn.Linear(channels[-1] * side**2, hidden), nn.LeakyReLU(_LEAK), nn.Linear(hidden, 1))

    def forward(self, images: Float[Tensor, "batch box box"]) -> Float[Tensor, " batch"]:
        """Score of each image; the higher, the more real."""
        return self.score(torch.flatten(self.features(images[:, None]), 1))[:, 0]

    def input_gradient(self, images: Float[Tensor, "batch box box"]) -> Float[Tensor, "batch box box"]:
        """Gradient of each image's score by its pixels, which a penalty differentiates again, by the weights.

        As long as no pool and no unit decides otherwise the score is linear in the pixels, so this is a product of the
        weights, let through where those decided. It is what autograd finds when asked for a graph, in half the time.
        """
        passed, slopes = self._decisions(images)
        hidden, last = (layer for layer in self.score if isinstance(layer, nn.Linear))
        gradient = (slopes * last.weight) @ hidden.weight
        gradient = gradient.unflatten(1, (-1, *(side // 2 for side in passed[-1].shape[-2:])))
        for convolution, gate in zip(self._convolutions[::-1], passed[::-1], strict=True):
            gradient = conv_transpose2d(_pool_transposed(gradient, gate), convolution.weight, padding=1)
        return gradient[:, 0]

    @property
    def _convolutions(self) -> list[nn.Conv2d]:
        return [layer for layer in self.features if isinstance(layer, nn.Conv2d)]

    @torch.no_grad()
    def _decisions(
        self, images: Float[Tensor, "batch box box"]
    ) -> tuple[list[Float[Tensor, "batch channels side side"]], Float[Tensor, "batch hidden"]]:
        """By how much each response gets through its pool and the unit behind it, and each hidden number its unit."""
        seen, passed = images[:, None], []
        for convolution in self._convolutions:
            responses = convolution(seen)
            largest, place = max_pool2d(responses, 2, return_indices=True)
            gate = max_unpool2d(_slopes(largest), place, (2, 2), output_size=list(responses.shape[-2:]))
            passed.append(gate.contiguous(memory_format=torch.channels_last))
            seen = leaky_relu(largest, _LEAK)
        return passed, _slopes(self.score[0](torch.flatten(seen, 1)))


def halvings(side: int) -> int:
    """Blocks of a critic for images of `side` pixels: 3 pixels a side are left, as of the published 192 after 6."""
    return max(1, int(math.log2(side / 3)))


def copy_matching(state: dict[str, Tensor], module: nn.Module) -> None:
    """Take over the parameters whose name and shape the module shares."""
    own = module.state_dict()
    module.load_state_dict(
        {**own, **{name: value for name, value in state.items() if name in own and value.shape == own[name].shape}}
    )


def _slopes(values: Tensor) -> Tensor:
    return torch.ones_like(values).masked_fill_(values <= 0, _LEAK)


def _pool_transposed(gradient: Tensor, gate: Tensor) -> Tensor:
    """What reaches the responses of a block from the largest of each 2 x 2; an odd row or column reaches none."""
    (rows, columns), spread = gate.shape[-2:], interpolate(gradient, scale_factor=2)
    return gate * (pad(spread, (0, columns % 2, 0, rows % 2)) if rows % 2 or columns % 2 else spread)
