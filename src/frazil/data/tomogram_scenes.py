"""Simulated tomograms: molecules and vesicles in ice, each tomogram a pure function of the seed and its number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from frazil.data.membranes import vesicle_volume, vesicle_wall
from frazil.data.seeds import numbered_generator
from frazil.data.specimens import SURFACE
from frazil.geometry import rotate_volume
from frazil.physics import CTF, CTFPrior, FourierVolume, UniformRotations, to_fourier_volume
from frazil.physics.subtomograms import Molecules
from frazil.physics.tilt_backprojection import Correction
from frazil.physics.tilted_field import TiltedFieldImaging
from frazil.physics.tomogram_placement import place_molecules, place_vesicles
from frazil.physics.weighted_back_projection import phase_flipped, weighted_back_projection


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
    images: TiltedFieldImaging
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
        if len(self.images.scheme.pretilts) > 1:
            own = replace(self.images, scheme=self.images.scheme.of_tomogram(number))
            return replace(self, images=own).tomogram(number, noise_std)
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
        weighted = self.images.scheme.weights[:, None, None] * images
        return weighted_back_projection(weighted, self.images.scheme.angles, self.depth)

    def instances(self, labels: TomogramLabels) -> Int[Tensor, "z y x"]:
        """Number of what each voxel is of: molecules from 1, then the walls of vesicles; 0 for nothing."""
        field = torch.zeros(self.depth, *self.images.size[::-1], dtype=torch.int16)
        for number, volume in enumerate(labels.molecules.structure.tolist()):
            own = self.contents.volumes[volume]
            seen = rotate_volume(own, labels.molecules.rotation[number]) > SURFACE * own.max()
            self._mark(field, seen, labels.molecules.place[number], number + 1)
        for number, (radius, *centre) in enumerate(labels.vesicles.tolist(), len(labels.molecules.place) + 1):
            self._mark(field, vesicle_wall(radius, self.images.pixel_size), torch.tensor(centre), number)
        return field

    def _mark(
        self,
        field: Int[Tensor, "z y x"],
        body: Bool[Tensor, "_box _box _box"],
        place: Float[Tensor, " xyz"],
        number: int,
    ) -> None:
        """Give the voxels of a body, whose middle lies at a place, its number where they lie in the field."""
        low = [
            round(at / self.images.pixel_size) + side // 2 - len(body) // 2
            for at, side in zip(place.tolist()[::-1], field.shape, strict=True)
        ]
        into = tuple(slice(max(0, first), max(0, first + len(body))) for first in low)
        part = tuple(slice(max(0, -first), max(0, side - first)) for first, side in zip(low, field.shape, strict=True))
        field[into][body[part]] = number

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
