"""Parts of an image or a volume that are worked on one at a time, with what has to be seen for each."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

Window = tuple[slice, ...]


class Tile(NamedTuple):
    """One part of a field."""

    core: Window
    """What it makes up of the field."""
    seen: Window
    """What of the field has to be seen for that."""
    inner: Window
    """Where the core is in what is seen."""


def tiles(shape: Sequence[int], side: int, reach: int, multiple: int) -> Iterator[Tile]:
    """Parts of `side` voxels or less, which make up a field; each voxel depends on others up to `reach` away.

    What is seen begins and ends at a multiple of a number, which the sides of the field must be.
    """
    if odd := [length for length in shape if length % multiple]:
        raise ValueError(f"sides must be multiples of {multiple}, one has {odd[0]}")
    margin = -(-reach // multiple) * multiple
    cores = [[slice(start, min(length, start + side)) for start in range(0, length, side)] for length in shape]
    for core in product(*cores):
        seen = tuple(
            slice(max(0, own.start - margin), min(length, own.stop + margin))
            for own, length in zip(core, shape, strict=True)
        )
        inner = tuple(slice(c.start - s.start, c.stop - s.start) for c, s in zip(core, seen, strict=True))
        yield Tile(core, seen, inner)
