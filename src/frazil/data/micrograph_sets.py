"""Sets of micrographs as they are compared: at one pixel size, in flat crops, a few read at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.micrographs import flattened
from frazil.data.seeds import numbered_generator
from frazil.geometry import fourier_resize
from frazil.io.micrographs import find_micrographs, known_pixel_size, read_micrograph

_ALIKE = 0.01  # by how much their pixel sizes may differ
_FLAT = 0.5  # of a crop's side: standard deviation of the blur that is taken for the background


@dataclass(frozen=True)
class MicrographSet:
    """Micrographs of one kind, read when they are asked for."""

    source: Path
    given: float | None = None
    """Pixel size in angstrom that a user gave, where the files do not say theirs."""
    at: float | None = None
    """Pixel size in angstrom at which they are seen."""

    @cached_property
    def paths(self) -> list[Path]:
        """Their files."""
        return find_micrographs(self.source)

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def pixel_size(self) -> float:
        """Angstrom, of the files."""
        return known_pixel_size(self.paths[0], read_micrograph(self.paths[0]), self.given)

    @property
    def factor(self) -> float:
        """Pixels seen for each of the files."""
        return 1.0 if self.at is None else self.pixel_size / self.at

    def image(self, number: int) -> Float[Tensor, "_y _x"]:
        """One of them, of fewer pixels if it has more per angstrom than are seen."""
        if self.factor > 1.001:
            wanted = f"micrographs have {self.factor:.3g} times the pixel size at which they are compared"
            raise ValueError(f"{self.source}: {wanted}; give --at")
        path, micrograph = self.paths[number], read_micrograph(self.paths[number])
        own, image = known_pixel_size(path, micrograph, self.given), micrograph.image
        if abs(own - self.pixel_size) > _ALIKE * self.pixel_size:
            raise ValueError(
                f"{path}: {own:g} angstrom per pixel, where {self.paths[0].name} has {self.pixel_size:g}; compare"
                " micrographs of one pixel size"
            )
        size = (round(image.shape[1] * self.factor), round(image.shape[0] * self.factor))
        return fourier_resize(image, size) if self.factor < 0.999 else image

    def crops(self, chosen: Sequence[int], count: int, side: int, seed: int) -> Float[Tensor, "count side side"]:
        """So many crops from anywhere on some of them, as many from each; flattened, their noise of variance 1."""
        found = []
        for place, number in enumerate(chosen):
            own = len(range(place, count, len(chosen)))
            image = flattened(self._large_enough(number, side), _FLAT * side)
            generator = numbered_generator(seed, number)
            found += [crop(image, corner, side) for corner in (corner_of(image, side, generator) for _ in range(own))]
        return torch.stack(found)

    def crop_with_corner(self, number: int, side: int, seed: int) -> tuple[Float[Tensor, "side side"], tuple[int, int]]:
        """The first of its crops, and where that begins: row and column."""
        image = flattened(self._large_enough(number, side), _FLAT * side)
        corner = corner_of(image, side, numbered_generator(seed, number))
        return crop(image, corner, side), corner

    def _large_enough(self, number: int, side: int) -> Float[Tensor, "_y _x"]:
        image = self.image(number)
        if min(image.shape) < side:
            raise ValueError(
                f"{self.paths[number]}: {image.shape[1]} x {image.shape[0]} px are too few for crops of {side}; give"
                " --crop"
            )
        return image


def corner_of(image: Float[Tensor, "y x"], side: int, generator: torch.Generator) -> tuple[int, int]:
    """Row and column where a crop begins, anywhere."""
    top, left = (int(torch.randint(length - side + 1, (1,), generator=generator)) for length in image.shape)
    return top, left


def crop(image: Float[Tensor, "y x"], corner: tuple[int, int], side: int) -> Float[Tensor, "side side"]:
    """Part of an image."""
    top, left = corner
    return image[top : top + side, left : left + side]
