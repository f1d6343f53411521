"""What lies on real grids beside the particles: lumps of crystalline ice."""

import torch
from jaxtyping import Float
from torch import Tensor

_BALLS = 5  # of which a lump is made
_APART = 0.7  # of a ball's radius, the standard deviation of where the balls lie about the lump's middle


def lumps(size: tuple[int, int], mean: float, radius_px: float, generator: torch.Generator) -> Float[Tensor, "y x"]:
    """Thickness in pixels of lumps of balls, each of half to all of a radius, on a field of (x, y) pixels.

    Their number follows Poisson's distribution; they may lie over the edge.
    """
    device = generator.device
    thickness = torch.zeros(size[1], size[0], device=device)
    count = int(torch.poisson(torch.tensor(mean, device=device), generator))
    sides = torch.tensor(size, device=device)
    centres = sides * torch.rand(count, 1, 2, generator=generator, device=device)
    radii = radius_px * (0.5 + 0.5 * torch.rand(count, _BALLS, generator=generator, device=device))
    offsets = _APART * radius_px * torch.randn(count, _BALLS, 2, generator=generator, device=device)
    places = (centres + offsets).flatten(0, 1)
    for (x, y), radius in zip(places.tolist(), radii.flatten().tolist(), strict=True):
        left, right = max(0, int(x - radius)), min(size[0], int(x + radius) + 2)
        top, bottom = max(0, int(y - radius)), min(size[1], int(y + radius) + 2)
        if left < right and top < bottom:
            across = torch.arange(left, right, device=device) - x
            down = torch.arange(top, bottom, device=device) - y
            chord = 2 * (radius**2 - across.square() - down.square()[:, None]).clamp(min=0).sqrt()
            part = thickness[top:bottom, left:right]
            torch.maximum(part, chord, out=part)
    return thickness
