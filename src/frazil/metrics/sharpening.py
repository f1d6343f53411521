"""The fall-off of a map's amplitudes, and its undoing."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import fourier_transform, frequency_grid, inverse_fourier_transform, shell_average

_COARSEST = 10.0  # angstrom: at coarser detail the shape of the particle rules the amplitudes, not its atoms
_FEWEST = 3  # shells to draw a line through
_ENOUGH = 6.0  # angstrom: a map that ends before ends in the dip between the particle's shape and its helices


def guinier_b_factor(volume: Float[Tensor, "box box box"], pixel_size: float, finest: float) -> float | None:
    """B-factor in square angstrom of a map's fall-off from 10 angstrom to `finest`; None where that is not fine enough.

    Amplitudes of proteins are flat there but for exp(-B k^2 / 4) (Rosenthal & Henderson, J. Mol. Biol. 333:721, 2003).
    """
    box = volume.shape[-1]
    power = shell_average(fourier_transform(volume.double(), 3).abs().square(), box, 3).cpu().numpy()
    frequency = np.arange(len(power)) / (box * pixel_size)
    used = (frequency >= 1 / _COARSEST) & (frequency <= 1 / finest) & (power > 0)
    if finest > _ENOUGH or used.sum() < _FEWEST:
        return None
    slope = np.polyfit(frequency[used] ** 2, np.log(power[used]) / 2, 1)[0]
    return float(-4 * slope)


def sharpen(volume: Float[Tensor, "box box box"], pixel_size: float, b_factor: float) -> Float[Tensor, "box box box"]:
    """Map whose amplitudes are multiplied by exp(B k^2 / 4)."""
    box = volume.shape[-1]
    square = frequency_grid(box, pixel_size, 3, device=volume.device).square().sum(-1)
    return inverse_fourier_transform(fourier_transform(volume, 3) * torch.exp(b_factor * square / 4), box, 3)
