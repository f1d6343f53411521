"""volume -> projection -> shift -> CTF -> clean image: the one forward model."""

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import Pose, frequency_grid, inverse_fourier_transform, shift_phase
from frazil.physics.ctf import CTF, evaluate_ctf
from frazil.physics.projection import FourierVolume, central_slices, crop_centre, to_fourier_volume


def form_images(
    volume: Float[Tensor, "box box box"] | FourierVolume,
    pose: Pose,
    ctf: CTF | None,
    pixel_size: float,
    margin: int = 2,
) -> Float[Tensor, "batch box box"]:
    """Noise-free images of a volume: projected, shifted, and seen through the lens (no lens if `ctf` is None).

    Lengths in angstrom. The image is formed in a box `margin` times as large and then cut out, as from a
    micrograph, so that what the lens spreads beyond the box leaves it; margin 1 wraps it around and is 4 times
    cheaper. y = C_c S_t P_theta x (Gupta et al. 2021, equation 1).
    """
    spectrum = volume if isinstance(volume, FourierVolume) else to_fourier_volume(volume)
    field = margin * spectrum.box
    image = central_slices(spectrum, pose.rotation, field) * shift_phase(pose.shift / pixel_size, field)
    if ctf is not None:
        frequency = frequency_grid(field, pixel_size, device=image.device, dtype=pose.shift.dtype)
        image = image * evaluate_ctf(ctf, frequency)
    return crop_centre(inverse_fourier_transform(image, field), spectrum.box)


def signal_to_noise_db(clean: Float[Tensor, "..."], noise: Float[Tensor, "..."]) -> float:
    """SNR in decibels: 10 log10(var(clean) / var(noise)), over the whole box."""
    return float(10 * torch.log10(clean.var() / noise.var()))


def noise_std_for_snr(clean: Float[Tensor, "..."], snr_db: float) -> float:
    """Standard deviation of the noise that gives clean images the signal-to-noise ratio `snr_db`."""
    return float(clean.double().var().sqrt() * 10 ** (-snr_db / 20))
