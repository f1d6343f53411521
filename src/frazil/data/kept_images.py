"""Images of a data set in batches: from memory where all of them fit, else from disk."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data.particles import Particles

_MEMORY = 4 * 2**30  # bytes of images kept; larger sets are read from disk, batch by batch
_AT_ONCE = 256


class KeptImages:
    """Images cropped to one box at a time, and kept at it where they fit into memory."""

    def __init__(self, particles: Particles) -> None:
        self.particles = particles
        self._kept: dict[int, Tensor] = {}

    def check(self, box: int) -> None:
        """Read every image once, so that a bad one is refused now and not in the hour in which it is drawn."""
        self.images(torch.arange(1), box)  # where images are kept this reads them all
        for start in range(0, 0 if self._kept else len(self.particles), _AT_ONCE):
            self.particles.images(range(start, min(start + _AT_ONCE, len(self.particles))), box)

    def images(self, rows: Int[Tensor, " batch"], box: int) -> Float[Tensor, "batch box box"]:
        """Images of the given rows at a box: the caller's own, to change as it likes."""
        if 4 * len(self.particles) * box**2 > _MEMORY:
            return self.particles.images(rows, box)
        if box not in self._kept:
            self._kept.clear()  # first: the coarser images and the finer ones together may not fit
            self._kept[box] = self.particles.load(box)
        return self._kept[box][rows]


def draw_rows(total: int, count: int, generator: torch.Generator, share: slice) -> Int[Tensor, " share"]:
    """Rows drawn with replacement from `total`: the part `share` of a joined batch of `count`."""
    return torch.randint(total, (count,), generator=generator)[share]
