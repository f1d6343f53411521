"""Networks that look at images without having learnt anything, so that sets of images can be compared."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

_SLOPE = 0.1
_SEED = 0


class RandomFeatures(nn.Module):
    """Convolutions of random weights, always the same ones; the mean and spread of each of their responses.

    Random features tell distributions of textures apart much as learnt ones do, and need no weights to be had from
    elsewhere; what they are is part of a figure's name: "random convolutions".
    """

    def __init__(self, width: int = 16, levels: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(_SEED)
        self.layers = nn.ModuleList()
        inputs = 1
        for level in range(levels):
            outputs = width * 2 ** min(level, 2)
            layer = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
            with torch.no_grad():
                weight = torch.randn(layer.weight.shape, generator=generator)
                # Each response has no mean over a flat image, and variance 1 over white noise.
                weight = weight - weight.mean((1, 2, 3), keepdim=True)
                layer.weight.copy_(weight / weight.flatten(1).norm(dim=1)[:, None, None, None])
                assert layer.bias is not None
                layer.bias.zero_()
            self.layers.append(layer)
            inputs = outputs
        self.requires_grad_(False)

    def forward(self, images: Float[Tensor, "batch y x"]) -> Float[Tensor, "batch features"]:
        """Mean and standard deviation over the image of each response of each level."""
        seen, found = images[:, None], []
        for layer in self.layers:
            seen = leaky_relu(layer(seen), _SLOPE)
            found += [seen.mean((-1, -2)), seen.std((-1, -2))]
            seen = nn.functional.avg_pool2d(seen, 2)
            seen = seen / seen.std((-1, -2, -3), keepdim=True).clamp(min=1e-6)
        return torch.cat(found, 1)
