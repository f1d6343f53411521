"""volume -> projection -> shift -> CTF -> clean image: the one forward model."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from frazil.geometry import Pose, frequency_grid, inverse_fourier_transform, shift_phase
from frazil.physics.ctf import CTF, evaluate_ctf
from frazil.physics.projection import FourierVolume, central_slices, crop_centre, to_fourier_volume

COMPANY = 4
"""Images that lend one another their views as neighbours: few, so that ranks that share a batch keep them together."""


def form_images(
    volume: Float[Tensor, "box box box"] | FourierVolume,
    pose: Pose,
    ctf: CTF | None,
    pixel_size: float,
    margin: int = 2,
    neighbours: Float[Tensor, "batch most xy"] | None = None,
) -> Float[Tensor, "batch box box"]:
    """Noise-free images of a volume: projected, shifted, and seen through the lens (no lens if `ctf` is None).

    Lengths in angstrom. The image is formed in a box `margin` times as large and then cut out, as from a
    micrograph, so that what the lens spreads beyond the box leaves it; margin 1 wraps it around and is 4 times
    cheaper. y = C_c S_t P_theta x (Gupta et al. 2021, equation 1). At `neighbours`, inf where there is none, lie
    further copies of the particle under the same lens; they are background, through which no gradient flows.
    """
    spectrum = volume if isinstance(volume, FourierVolume) else to_fourier_volume(volume)
    slices = central_slices(spectrum, pose.rotation, margin * spectrum.box)
    return image_from_slices(slices, pose.shift, ctf, pixel_size, spectrum.box, neighbours)


def image_from_slices(
    slices: Complex[Tensor, "batch field half"],
    shift: Float[Tensor, "batch xy"],
    ctf: CTF | None,
    pixel_size: float,
    box: int,
    neighbours: Float[Tensor, "batch most xy"] | None = None,
) -> Float[Tensor, "batch box box"]:
    """What `form_images` does after projection, for slices from wherever: a volume's spectrum, or a decoder."""
    field = slices.shape[-2]
    image = slices * shift_phase(shift / pixel_size, field)
    if neighbours is not None:
        image = image + _neighbours(slices.detach(), neighbours / pixel_size)
    if ctf is not None:
        frequency = frequency_grid(field, pixel_size, device=image.device, dtype=shift.dtype)
        image = image * evaluate_ctf(ctf, frequency)
    return crop_centre(inverse_fourier_transform(image, field), box)


def _neighbours(
    slices: Complex[Tensor, "batch field half"], places: Float[Tensor, "batch most xy"]
) -> Complex[Tensor, "batch field half"]:
    """Spectrum of the neighbours' projections: the views of the other images among the same `COMPANY`, in turn."""
    if len(slices) % COMPANY:
        raise ValueError(f"{len(slices)} images with neighbours: their number must be a multiple of {COMPANY}")
    blocks = slices.unflatten(0, (-1, COMPANY))
    total = torch.zeros_like(slices)
    for number, place in enumerate(places.unbind(1)):
        rows = torch.nonzero(torch.isfinite(place[:, 0]))[:, 0]
        views = blocks.roll(1 + number % (COMPANY - 1), 1).flatten(0, 1)
        total.index_add_(0, rows, views[rows] * shift_phase(place[rows], slices.shape[-2]))
    return total


def signal_to_noise_db(clean: Float[Tensor, "..."], noise: Float[Tensor, "..."]) -> float:
    """SNR in decibels: 10 log10(var(clean) / var(noise)), over the whole box."""
    return float(10 * torch.log10(clean.var() / noise.var()))


def noise_std_for_snr(clean: Float[Tensor, "..."], snr_db: float) -> float:
    """Standard deviation of the noise that gives clean images the signal-to-noise ratio `snr_db`."""
    return float(clean.double().var().sqrt() * 10 ** (-snr_db / 20))
