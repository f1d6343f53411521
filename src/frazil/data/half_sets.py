"""Two halves of a data set that share nothing, served in batches."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.kept_images import KeptImages
from frazil.data.particles import Particles
from frazil.io import ParticleTable


class HalfSets:
    """The particles' two half sets: `number` says of each particle in which it is, 1 or 2."""

    def __init__(self, particles: Particles, seed: int) -> None:
        self.particles = particles
        self.number = particles.half_sets(seed)
        rows = [np.flatnonzero(self.number == number) for number in (1, 2)]
        self.halves = [particles.select(own) for own in rows]
        self._rows = [torch.from_numpy(own) for own in rows]
        self._kept = KeptImages(particles)

    def check(self, box: int) -> None:
        """Read every image once, so that a bad one is refused now and not in the hour in which it is drawn."""
        self._kept.check(box)

    def images(self, half: int, rows: Tensor, box: int) -> Float[Tensor, "batch box box"]:
        """Images of one half (0 or 1) at a box."""
        return self._kept.images(self._rows[half][rows], box)

    def table(self) -> ParticleTable:
        """The particles as they came, with the half set that each is in."""
        return self.particles.table.with_half_sets(self.number)

    def in_table_order(self, halves: Sequence[Float[Tensor, " _part *any"]]) -> Float[Tensor, " particles *any"]:
        """Values of the particles of both halves, in the order of the table, which mixes them."""
        return torch.cat(list(halves))[torch.cat(self._rows).argsort()]
