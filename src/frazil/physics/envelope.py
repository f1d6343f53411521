"""What dampens the contrast at high frequency, as one B-factor."""

import torch
from jaxtyping import Float
from torch import Tensor


def b_factor_envelope(b_factor: Float[Tensor, "..."], square_frequency: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Gaussian fall-off exp(-B k^2 / 4) of amplitudes, B in angstrom^2 and k^2 in 1/angstrom^2."""
    return torch.exp(-b_factor * square_frequency / 4)


def b_factor_of_nyquist_value(value: float, pixel_size: float) -> float:
    """B-factor in angstrom^2 whose envelope has the given value at Nyquist, as CryoGAN states its envelopes."""
    return float(-4 * torch.log(torch.tensor(value, dtype=torch.float64)) * (2 * pixel_size) ** 2)
