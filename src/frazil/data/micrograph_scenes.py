"""Simulated micrographs: each a pure function of the data set's seed and its own number."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from frazil.data.seeds import numbered_generator
from frazil.geometry import filter_field, rectangle_frequency
from frazil.physics import (
    CTF,
    CTFPrior,
    FieldExposure,
    FourierVolume,
    ParticleField,
    PlacedParticles,
    RotationPrior,
    evaluate_ctf,
    particle_field,
)
from frazil.physics.contamination import lumps
from frazil.physics.placement import Crowd, places_of_particles
from frazil.physics.solvent import measured_transmission, smooth_transmission

_LUMP = 1.0  # of the particles' radius, that of the balls of which lumps are made, at most


@dataclass(frozen=True)
class Population:
    """What may be seen on micrographs, and how it is distributed."""

    structures: Sequence[FourierVolume]
    radius: float
    """Of the largest structure, angstrom."""
    density: float
    """Of the structures on average, in their own units."""
    rotation: RotationPrior
    lens: CTFPrior | None
    crowd: Crowd
    thickness: float
    """Of the ice, angstrom: particles lie at any depth in it."""
    ice: float | Sequence[Float[Tensor, "_rows _columns"]]
    """How unevenly thick it is: the standard deviation of what it takes of the beam, or levels of real ice
    (`ice_levels`), of which each micrograph has one."""
    lumps: float = 0.0
    """Lumps of crystalline ice on a micrograph on average."""


@dataclass(frozen=True)
class Labels:
    """What is known of a simulated micrograph."""

    particles: PlacedParticles
    lens: CTF | None
    """One row: the CTF at the middle of the ice."""

    def on_edge(self, size: tuple[int, int], radius_px: float) -> np.ndarray:
        """Which particles reach over the edge of the field."""
        place, sides = self.particles.place, torch.tensor(size)
        near = (place < radius_px - 0.5) | (place > sides - 0.5 - radius_px)
        return near.any(1).numpy()


@dataclass(frozen=True)
class SimulatedFields:
    """A data set of simulated micrographs; nothing of it is drawn before it is asked for."""

    population: Population
    size: tuple[int, int]
    """Pixels, x and y."""
    pixel_size: float
    seed: int

    def labels(self, number: int) -> Labels:
        """The particles and the lens of one micrograph."""
        return self._draw(numbered_generator(self.seed, number))

    def field(self, labels: Labels) -> ParticleField:
        """Its particles, without noise."""
        structures = self.population.structures
        return particle_field(structures, labels.particles, labels.lens, self.pixel_size, self.size)

    def micrograph(self, number: int, exposure: FieldExposure) -> tuple[Float[Tensor, "y x"], Bool[Tensor, "y x"]]:
        """One micrograph, and where its particles lie."""
        generator = numbered_generator(self.seed, number)
        labels = self._draw(generator)
        field = self.field(labels)
        through = self._transmission(exposure, generator)
        return exposure.expose(self._with_lumps(field, labels, generator), through, labels.lens, generator), field.mask

    def _transmission(self, exposure: FieldExposure, generator: torch.Generator) -> Float[Tensor, "y x"]:
        ice = self.population.ice
        if isinstance(ice, float):
            return smooth_transmission(self.size, ice, generator)
        chosen = ice[int(torch.randint(len(ice), (1,), generator=generator))]
        return measured_transmission(self.size, chosen, exposure.relative_noise)

    def _with_lumps(self, field: ParticleField, labels: Labels, generator: torch.Generator) -> ParticleField:
        """The field with lumps of ice on it, as dense as the particles are on average."""
        population = self.population
        if not population.lumps:
            return field
        thickness = lumps(self.size, population.lumps, _LUMP * population.radius / self.pixel_size, generator)
        projection = population.density * thickness
        seen = projection
        if labels.lens is not None:
            seen = filter_field(seen, evaluate_ctf(labels.lens, rectangle_frequency(self.size, self.pixel_size))[0])
        return replace(field, image=field.image + seen, projection=field.projection + projection)

    def _draw(self, generator: torch.Generator) -> Labels:
        """What is drawn first."""
        crowd, population = self.population.crowd, self.population
        wanted = crowd.draw_count(generator)
        place = places_of_particles(self.size, crowd.distance / self.pixel_size, wanted, generator)
        count = len(place)
        free = max(0.0, population.thickness - 2 * population.radius)
        depth = free * (torch.rand(count, generator=generator) - 0.5)
        structure = torch.randint(len(population.structures), (count,), generator=generator)
        particles = PlacedParticles(place, depth, population.rotation.sample(count, generator), structure)
        return Labels(particles, None if population.lens is None else population.lens.sample(1, generator))
