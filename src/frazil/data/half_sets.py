"""Two halves of a data set that share nothing, served in batches."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.particles import Particles

_MEMORY = 4 * 2**30  # bytes of images kept; larger sets are read from disk, batch by batch
_AT_ONCE = 256


class HalfSets:
    """The particles' two half sets; images are cropped to a box once and kept where they fit into memory."""

    def __init__(self, particles: Particles, seed: int) -> None:
        self.particles = particles
        self.number = particles.half_sets(seed)
        self.halves = [particles.select(np.flatnonzero(self.number == number)) for number in (1, 2)]
        self._kept: dict[int, list[Tensor]] = {}

    def check(self, box: int) -> None:
        """Read every image once, so that a bad one is refused now and not in the hour in which it is drawn."""
        self.images(0, torch.arange(1), box)  # where images are kept this reads them all
        for half in self.halves if not self._kept else []:
            for start in range(0, len(half), _AT_ONCE):
                half.images(range(start, min(start + _AT_ONCE, len(half))), box)

    def images(self, half: int, rows: Tensor, box: int) -> Float[Tensor, "batch box box"]:
        """Images of one half (0 or 1) at a box."""
        particles = sum(len(part) for part in self.halves)
        if 4 * particles * box**2 > _MEMORY:
            return self.halves[half].images(rows, box)
        if box not in self._kept:
            self._kept.clear()  # first: the coarser images and the finer ones together may not fit
            self._kept[box] = [part.load(box) for part in self.halves]
        return self._kept[box][half][rows]

    def draw(
        self, half: int, count: int, box: int, generator: torch.Generator, share: slice
    ) -> Float[Tensor, "batch box box"]:
        """Images drawn with replacement: the rows `share` of a joined batch of `count`."""
        rows = torch.randint(len(self.halves[half]), (count,), generator=generator)
        return self.images(half, rows[share], box)
