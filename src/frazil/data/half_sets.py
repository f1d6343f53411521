"""Two halves of a data set that share nothing, served in batches."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.kept_images import KeptImages
from frazil.data.particles import Particles


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
