"""Images of a data set in batches: from memory where all of them fit, else from disk."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data.memory import available_memory
from frazil.data.particles import Particles

_SHARE = 0.5  # of the free memory, for images; larger sets are read from disk, batch by batch
_AT_ONCE = 256


class ImageBatch(NamedTuple):
    """Some images, and the rows of the table that they stand in."""

    rows: Int[Tensor, " batch"]
    images: Float[Tensor, "batch box box"]


def room_for_images() -> int:
    """Bytes of images that may be kept."""
    return int(_SHARE * available_memory())


class KeptImages:
    """Images cropped to one box at a time, and kept at it where they fit into memory."""

    def __init__(self, particles: Particles) -> None:
        self.particles = particles
        self._room = room_for_images()
        self._kept: dict[int, Tensor] = {}

    def check(self, box: int) -> None:
        """Read every image once, so that a bad one is refused now and not in the hour in which it is drawn."""
        self.images(torch.arange(1), box)  # where images are kept this reads them all
        for start in range(0, 0 if self._kept else len(self.particles), _AT_ONCE):
            self.particles.images(range(start, min(start + _AT_ONCE, len(self.particles))), box)

    def images(self, rows: Int[Tensor, " batch"], box: int) -> Float[Tensor, "batch box box"]:
        """Images of the given rows at a box: the caller's own, to change as it likes."""
        if 4 * len(self.particles) * box**2 > self._room:
            return self.particles.images(rows, box)
        if box not in self._kept:
            self._kept.clear()  # first: the coarser images and the finer ones together may not fit
            self._kept[box] = self.particles.load(box)
        return self._kept[box][rows]


def uploaded(tensor: Tensor, device: torch.device) -> Tensor:
    """On a device; a GPU takes it over behind its earlier work, and the host goes on meanwhile."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def draw_rows(total: int, count: int, generator: torch.Generator, share: slice) -> Int[Tensor, " share"]:
    """Rows drawn with replacement from `total`: the part `share` of a joined batch of `count`."""
    return torch.randint(total, (count,), generator=generator)[share]


def epoch_rows(rows: Int[Tensor, " rows"], step: int, batch_size: int, seed: int) -> Int[Tensor, " batch"]:
    """The rows of a step, where each pass takes every row once, in an order of its own.

    The last step of a pass fills its batch with the pass's first rows, so that all batches are of one size.
    """
    steps = -(-len(rows) // batch_size)
    epoch, place = divmod(step, steps)
    generator = torch.Generator().manual_seed((seed + epoch) % 2**63)
    order = torch.randperm(len(rows), generator=generator)
    return rows[order[torch.arange(place * batch_size, (place + 1) * batch_size) % len(rows)]]
