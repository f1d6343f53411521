"""From molecules in ice to the small volumes that are cut out of a tomogram around them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from frazil.geometry import (
    Batched,
    fourier_transform,
    frequency_grid,
    inverse_fourier_transform,
    rotate_volume,
    shift_phase,
)
from frazil.physics.ctf import CTF, evaluate_ctf
from frazil.physics.missing_wedge import missing_wedge
from frazil.physics.noise import colour_noise, white_noise
from frazil.physics.projection import FourierVolume, to_fourier_volume
from frazil.physics.tilt_backprojection import Correction, back_projected, correcting
from frazil.physics.tilt_scheme import TiltScheme
from frazil.physics.tilt_transfer import TiltTransfer, tilt_spectra

_SMOOTH = 0.5  # of Nyquist's frequency, to which the second half of Pei's noise is low-passed


@dataclass(frozen=True)
class Molecules(Batched):
    """The molecules of a tomogram."""

    place: Float[Tensor, "count xyz"]
    """Angstrom from the tomogram's centre."""
    rotation: Float[Tensor, "count 3 3"]
    """From each one's own frame to the tomogram's, in which it stays when the specimen is tilted."""
    within: Float[Tensor, "count xyz"]
    """Angstrom from the middle of the box that is cut out around it: boxes are picked, and picks are never exact."""
    structure: Int[Tensor, " count"]
    """Which of several structures it is, from 0."""


@dataclass(frozen=True)
class Strengths:
    """How strong molecules are, and noise, whose standard deviation in the upright image this is."""

    signal: float
    noise: float


class SubtomogramImaging(ABC):
    """How a subtomogram comes of a molecule: its density as it is seen, and noise on it."""

    def of_tomogram(self, number: int) -> "SubtomogramImaging":
        """That of the tomogram of a number, from 0."""
        return self

    def clean(self, molecules: Molecules, lens: CTF | None) -> Float[Tensor, "count box box box"]:
        """Without noise."""
        return self.volumes_of(molecules, lens, Strengths(1.0, 0.0), torch.Generator())

    def noise(
        self, molecules: Molecules, lens: CTF | None, generator: torch.Generator
    ) -> Float[Tensor, "count box box box"]:
        """Noise alone, of the strength that a standard deviation of 1 in the upright image makes."""
        return self.volumes_of(molecules, lens, Strengths(0.0, 1.0), generator)

    @abstractmethod
    def volumes_of(
        self, molecules: Molecules, lens: CTF | None, strengths: Strengths, generator: torch.Generator
    ) -> Float[Tensor, "count box box box"]:
        """Molecules in noise, protein positive; the lens is a CTF of one row."""


@dataclass(frozen=True)
class TiltSeriesImaging(SubtomogramImaging):
    """Physics in its order: every tilt's projection, its lens and dose, its noise, and what back-projection makes."""

    volumes: Sequence[Float[Tensor, "box box box"]]
    pixel_size: float
    scheme: TiltScheme
    power: Float[Tensor, " shells"] | None = None
    """Radial power spectrum of an image's noise, its mean over pixels 1; None for white noise."""
    correction: Correction = "phase-flip"
    """What is done about the lens: nothing; its signs put right; or Wiener's filter, of lens and dose."""

    def of_tomogram(self, number: int) -> "TiltSeriesImaging":
        return replace(self, scheme=self.scheme.of_tomogram(number)) if self.scheme.pretilts else self

    @cached_property
    def _spectra(self) -> list[FourierVolume]:
        return [to_fourier_volume(volume) for volume in self.volumes]

    def volumes_of(
        self, molecules: Molecules, lens: CTF | None, strengths: Strengths, generator: torch.Generator
    ) -> Float[Tensor, "count box box box"]:
        made = []
        for one in range(len(molecules)):
            through = self._through(molecules, one, lens)
            images: Tensor = torch.zeros_like(through.transfer[0])
            if strengths.signal:
                spectrum = self._spectra[int(molecules.structure[one])]
                images = images + strengths.signal * tilt_spectra(spectrum, through)[0]
            if strengths.noise:
                images = images + strengths.noise * self._noise(generator)
            made.append(self._volume(images, through))
        return torch.stack(made)

    def _noise(self, generator: torch.Generator) -> Complex[Tensor, "tilts box half"]:
        """Of all images, 1 in the upright one."""
        strength = self.scheme.relative_noise[:, None, None]
        white = white_noise((len(strength), *self.volumes[0].shape[1:]), generator)
        return fourier_transform(strength * (white if self.power is None else colour_noise(white, self.power)))

    def _through(self, molecules: Molecules, one: int, lens: CTF | None) -> TiltTransfer:
        each, box = molecules[one : one + 1], self.volumes[0].shape[0]
        return TiltTransfer.of(
            self.scheme.series(lens), each.rotation, each.place, box, self.pixel_size, within=each.within
        )

    def _volume(self, images: Tensor, through: TiltTransfer) -> Float[Tensor, "box box box"]:
        factor, weight = correcting(through.transfer[0], self.correction), self.scheme.weights[:, None, None]
        return back_projected(weight * images, factor, self.scheme.series(None).rotation, self._seen)

    @cached_property
    def _seen(self) -> Tensor:
        return ~missing_wedge(self.scheme.series(None).rotation, self.volumes[0].shape[0])


@dataclass(frozen=True)
class PeiImaging(SubtomogramImaging):
    """The simulator that others are held against: a volume with noise on it, a round CTF, smooth noise, a wedge.

    Half of the noise before the lens, half after it. Source: Pei et al., BMC Bioinformatics 17:405, 2016.
    """

    volumes: Sequence[Float[Tensor, "box box box"]]
    pixel_size: float
    scheme: TiltScheme

    def of_tomogram(self, number: int) -> "PeiImaging":
        return replace(self, scheme=self.scheme.of_tomogram(number)) if self.scheme.pretilts else self

    def volumes_of(
        self, molecules: Molecules, lens: CTF | None, strengths: Strengths, generator: torch.Generator
    ) -> Float[Tensor, "count box box box"]:
        shape = (len(molecules), *self.volumes[0].shape)
        moved = turned_densities(self.volumes, molecules, self.pixel_size)
        first, second = ((strengths.noise * 0.5**0.5) * white_noise(shape, generator) for _ in range(2))
        frequency = frequency_grid(shape[-1], 1.0, 3).norm(dim=-1)
        smooth = fourier_transform(second, 3) * torch.exp(-((frequency / (_SMOOTH * 0.5)) ** 2))
        through = fourier_transform(strengths.signal * moved + first, 3) * self._lens(lens)
        return inverse_fourier_transform((through + smooth) * self._seen, shape[-1], 3)

    def _lens(self, lens: CTF | None) -> Tensor:
        """The CTF of a lens without astigmatism, by the length of a frequency alone."""
        frequency = frequency_grid(self.volumes[0].shape[0], self.pixel_size, 3).norm(dim=-1)
        if lens is None:
            return torch.ones_like(frequency)
        return evaluate_ctf(lens, torch.stack([frequency, torch.zeros_like(frequency)], -1))[0]

    @cached_property
    def _seen(self) -> Tensor:
        rotation = self.scheme.series(None).rotation
        return ~missing_wedge(rotation, self.volumes[0].shape[0])


@dataclass(frozen=True)
class DensityImaging(SubtomogramImaging):
    """No microscope: densities as they lie, and white noise, which is what CryoETGAN's networks start from."""

    volumes: Sequence[Float[Tensor, "box box box"]]
    pixel_size: float

    def volumes_of(
        self, molecules: Molecules, lens: CTF | None, strengths: Strengths, generator: torch.Generator
    ) -> Float[Tensor, "count box box box"]:
        noise = white_noise((len(molecules), *self.volumes[0].shape), generator)
        return strengths.signal * turned_densities(self.volumes, molecules, self.pixel_size) + strengths.noise * noise


def turned_densities(
    volumes: Sequence[Float[Tensor, "box box box"]], molecules: Molecules, pixel_size: float
) -> Float[Tensor, "count box box box"]:
    """The density of each molecule as it lies in its box."""
    box = volumes[0].shape[0]
    turned = [
        rotate_volume(volumes[int(structure)], rotation)
        for structure, rotation in zip(molecules.structure, molecules.rotation, strict=True)
    ]
    spectrum = fourier_transform(torch.stack(turned), 3) * shift_phase(molecules.within / pixel_size, box, 3)
    return inverse_fourier_transform(spectrum, box, 3)
