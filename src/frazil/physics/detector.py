"""The detector: it counts electrons, and blurs what it counts."""

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import rectangle_frequency


def count_electrons(expected: Float[Tensor, "y x"], generator: torch.Generator) -> Float[Tensor, "y x"]:
    """Electrons counted in each pixel where so many are expected: Poisson's distribution."""
    return torch.poisson(expected.clamp(min=0), generator)


def filter_field(field: Float[Tensor, "y x"], transfer: Float[Tensor, "y half"]) -> Float[Tensor, "y x"]:
    """A field whose Fourier coefficients are multiplied, on the grid of `rectangle_frequency`."""
    return torch.fft.irfft2(torch.fft.rfft2(field) * transfer, s=field.shape)


def on_rectangle(curve: Float[Tensor, "points 2"], size: tuple[int, int], pixel_size: float) -> Float[Tensor, "y half"]:
    """A curve of spatial frequency (1/angstrom, rising) and value, at the frequencies of a field of (x, y) pixels.

    Linear between its points; the first and last values stand for what lies outside.
    """
    frequency = rectangle_frequency(size, pixel_size).norm(dim=-1).to(curve)
    at, value = curve.T.contiguous()
    right = torch.searchsorted(at, frequency.contiguous()).clamp(1, len(at) - 1)
    part = ((frequency - at[right - 1]) / (at[right] - at[right - 1])).clamp(0, 1)
    return torch.lerp(value[right - 1], value[right], part)
