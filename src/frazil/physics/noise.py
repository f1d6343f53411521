"""What the detector adds: white noise, and noise with a measured power spectrum."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

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
    images: Float[Tensor, "batch box box"], weight: Float[Tensor, "*batch box box"] | None = None
) -> Float[Tensor, " shells"]:
    """Mean radial power spectrum of images, |F|^2 / pixels, where `weight` looks only at a part of the box.

    With a weight, for example 1 outside the particle and 0 on it, the power is divided by the weight's own mean square
    and each image's weighted mean is taken off first (the periodogram of a windowed process).
    """
    box = images.shape[-1]
    if weight is None:
        weight = images.new_ones(box, box)
    mean = (images * weight).sum((-1, -2), keepdim=True) / weight.sum((-1, -2), keepdim=True)
    spectrum = fourier_transform((images - mean) * weight)
    power = spectrum.abs().square().mean(0) / (weight.square().mean() * box**2)
    return shell_average(power, box)


class NoiseModel(ABC):
    """What stands beside the particle in an image. Each image takes the noise of one particle's micrograph."""

    @abstractmethod
    def sample(
        self, particle: Int[Tensor, " batch"], box: int, generator: torch.Generator
    ) -> Float[Tensor, "batch box box"]:
        """Noise for images that take the place of the given particles (rows of the particle table)."""

    @abstractmethod
    def to(self, device: torch.device | str) -> "NoiseModel":
        """Same model on another device."""


@dataclass(frozen=True)
class ColouredNoise(NoiseModel):
    """Gaussian noise with the radial power spectrum of the particle's micrograph, or of its group of them.

    `power` holds, for each box that images are cropped to, the spectra (groups, shells) in the units of
    `radial_power`; `group` is the row of those for each particle.
    """

    power: dict[int, Float[Tensor, "groups shells"]]
    group: Int[Tensor, " particles"]

    def sample(
        self, particle: Int[Tensor, " batch"], box: int, generator: torch.Generator
    ) -> Float[Tensor, "batch box box"]:
        white = white_noise((len(particle), box, box), generator)
        return colour_noise(white, self.power[box][self.group[particle]])

    def to(self, device: torch.device | str) -> "ColouredNoise":
        power = {box: spectra.to(device) for box, spectra in self.power.items()}
        return replace(self, power=power, group=self.group.to(device))
