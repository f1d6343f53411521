"""Simulated tomograms: molecules and vesicles in ice, each tomogram a pure function of the seed and its number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data.membranes import vesicle_volume
from frazil.data.seeds import numbered_generator
from frazil.data.specimens import SURFACE
from frazil.geometry import rotate_volume
from frazil.physics import CTF, CTFPrior, FourierVolume, UniformRotations, to_fourier_volume
from frazil.physics.subtomograms import Molecules
from frazil.physics.tilt_backprojection import Correction
from frazil.physics.tilted_field import TiltImages, phase_flipped, weighted_back_projection
from frazil.physics.tomogram_placement import place_molecules, place_vesicles


@dataclass(frozen=True)
class TomogramLabels:
    """What is known of a simulated tomogram."""

    molecules: Molecules
    vesicles: Float[Tensor, "vesicles radius_xyz"]
    """Radius and centre in angstrom."""
    lens: CTF | None
    """One row: the CTF at the middle of the ice."""


@dataclass(frozen=True)
class TomogramContents:
    """What may be in a tomogram."""

    volumes: Sequence[Float[Tensor, "box box box"]]
    radius: Float[Tensor, " structures"]
    """Of each, angstrom."""
    count: int
    """Molecules that look for room, in turns of the structures."""
    vesicles: int
    vesicle_radius: tuple[float, float]
    """Smallest and largest, angstrom."""


@dataclass(frozen=True)
class SimulatedTomogram:
    """Images of a tilt series and the tomograms that they make, from all movie frames and from even and odd ones."""

    tilts: Float[Tensor, "tilts y x"]
    whole: Float[Tensor, "z y x"]
    halves: tuple[Float[Tensor, "z y x"], Float[Tensor, "z y x"]] | None
    """None where there is none but the whole."""


@dataclass(frozen=True)
class TomogramScene:
    """A data set of simulated tomograms; nothing of it is drawn before it is asked for."""

    contents: TomogramContents
    images: TiltImages
    depth: int
    """Sections of the tomograms."""
    lens: CTFPrior | None
    correction: Correction
    power: Float[Tensor, "y half"] | None
    """Of the noise by frequency, its mean 1; None for white noise."""
    seed: int

    @cached_property
    def _spectra(self) -> list[FourierVolume]:
        return [to_fourier_volume(volume, padding=3) for volume in self.contents.volumes]

    def labels(self, number: int) -> TomogramLabels:
        """The contents and the lens of one tomogram."""
        return self._draw(numbered_generator(self.seed, number))

    def clean(self, labels: TomogramLabels) -> Float[Tensor, "tilts y x"]:
        """Its images without noise."""
        seen = [self.images.clean(spectra, bodies, labels.lens) for spectra, bodies in self._bodies(labels)]
        return torch.stack(seen).sum(0)

    def upright(self, labels: TomogramLabels) -> Float[Tensor, "y x"]:
        """The one of them that is tilted least."""
        seen = [self.images.upright(spectra, bodies, labels.lens) for spectra, bodies in self._bodies(labels)]
        return torch.stack(seen).sum(0)

    def _bodies(self, labels: TomogramLabels) -> Iterator[tuple[list[FourierVolume], Molecules]]:
        """Molecules, then each vesicle, with what they are made of."""
        yield self._spectra, labels.molecules
        for radius, *centre in labels.vesicles.tolist():
            wall = to_fourier_volume(vesicle_volume(radius, self.images.pixel_size))
            middle = torch.tensor([centre])
            yield [wall], Molecules(middle, torch.eye(3)[None], 0 * middle, torch.zeros(1, dtype=torch.long))

    def tomogram(self, number: int, noise_std: float) -> SimulatedTomogram:
        """One tomogram, its noise of a standard deviation in the upright image."""
        generator = numbered_generator(self.seed, number)
        labels = self._draw(generator)
        clean = self.clean(labels)
        noises = [self.images.noise(self.power, generator) for _ in range(2)]
        frames = [clean + 2**0.5 * noise_std * noise for noise in noises]
        halves = [self._reconstructed(images, labels.lens) for images in frames]
        return SimulatedTomogram((frames[0] + frames[1]) / 2, (halves[0] + halves[1]) / 2, (halves[0], halves[1]))

    def _reconstructed(self, images: Float[Tensor, "tilts y x"], lens: CTF | None) -> Float[Tensor, "z y x"]:
        if self.correction == "phase-flip":
            images = phase_flipped(images, lens, self.images.pixel_size)
        return weighted_back_projection(images, self.images.scheme.angles, self.depth)

    def instances(self, labels: TomogramLabels) -> Int[Tensor, "z y x"]:
        """Number of the molecule, from 1, that each voxel is of; 0 for none."""
        width, height = self.images.size
        box = self.contents.volumes[0].shape[0]
        edge = box // 2
        field = torch.zeros(self.depth + box, height + box, width + box, dtype=torch.int16)
        middle = torch.tensor([width // 2, height // 2, self.depth // 2])
        corners = (labels.molecules.place / self.images.pixel_size).round().long() + middle
        for number, (x, y, z) in enumerate(corners.tolist()):
            volume = self.contents.volumes[int(labels.molecules.structure[number])]
            own = rotate_volume(volume, labels.molecules.rotation[number]) > SURFACE * volume.max()
            field[z : z + box, y : y + box, x : x + box][own] = number + 1
        return field[edge : edge + self.depth, edge : edge + height, edge : edge + width]

    def _draw(self, generator: torch.Generator) -> TomogramLabels:
        """What is drawn first."""
        contents, count = self.contents, self.contents.count
        sides = torch.tensor([*self.images.size, 0.0]) * self.images.pixel_size
        sides[2] = self.images.scheme.ice_thickness
        low, high = contents.vesicle_radius
        radius = low + (high - low) * torch.rand(contents.vesicles, generator=generator)
        vesicles = place_vesicles(sides, radius, generator)
        structure = torch.arange(count) % len(contents.volumes)
        place = place_molecules(sides, contents.radius[structure], vesicles, generator)
        rotation = UniformRotations().sample(count, generator)
        lens = None if self.lens is None else self.lens.sample(1, generator)
        found = ~place[:, 0].isnan()
        molecules = Molecules(place, rotation, torch.zeros(count, 3), structure)[found]
        return TomogramLabels(molecules, vesicles, lens)
