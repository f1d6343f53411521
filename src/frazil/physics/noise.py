"""What the detector adds: white noise, noise with a measured power spectrum, and patches of real background."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.geometry import fourier_transform, inverse_fourier_transform, shell_average, shell_index


def white_noise(shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "..."]:
    """Independent standard normal noise in every pixel."""
    return torch.randn(shape, generator=generator, device=generator.device)


def colour_noise(
    white: Float[Tensor, "batch box box"], power: Float[Tensor, "*batch shells"]
) -> Float[Tensor, "batch box box"]:
    """Noise with the given radial power spectrum, made from white noise of unit variance.

    `power` holds the mean |F|^2 / pixels of shells 0 ... box // 2 (1 everywhere leaves the noise as it is);
    frequencies beyond the last shell, the corners, take the last shell's.
    """
    box = white.shape[-1]
    shell = shell_index(box, device=white.device).clamp(max=power.shape[-1] - 1)
    amplitude = power.clamp(min=0).sqrt()[..., shell]
    return inverse_fourier_transform(fourier_transform(white) * amplitude, box)


def radial_power(
    images: Float[Tensor, "batch box box"], weight: Float[Tensor, "box box"] | None = None
) -> Float[Tensor, " shells"]:
    """Mean radial power spectrum of images, |F|^2 / pixels, where `weight` looks only at a part of the box.

    With a weight, for example 1 outside the particle and 0 on it, the power is divided by the weight's own mean square
    and each image's weighted mean is taken off first (the periodogram of a windowed process).
    """
    box = images.shape[-1]
    if weight is None:
        weight = images.new_ones(box, box)
    mean = (images * weight).sum((-1, -2), keepdim=True) / weight.sum()
    spectrum = fourier_transform((images - mean) * weight)
    power = spectrum.abs().square().mean(0) / (weight.square().mean() * box**2)
    return shell_average(power, box)


@dataclass(frozen=True)
class BackgroundPatches:
    """Patches of real background and the row of the CTF table of the micrograph each was cut from.

    A patch and a CTF are drawn together: noise and defocus of one micrograph belong together (Gupta et al. 2021).
    """

    patches: Float[Tensor, "count box box"]
    micrograph: Int[Tensor, " count"]

    def sample(self, count: int, generator: torch.Generator) -> "BackgroundPatches":
        """Patches drawn with replacement, with their micrographs."""
        index = torch.randint(len(self.patches), (count,), generator=generator, device=generator.device)
        return BackgroundPatches(self.patches[index], self.micrograph[index])
