"""The images that a particle table names, spread over many stacks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from frazil.io.mrc import read_header
from frazil.io.particle_table import ParticleTable, find_stack
from frazil.io.stacks import ImageStack
from frazil.io.star import in_angstrom

_MEANINGLESS = (0.0, 1.0)  # pixel sizes that many programs write into headers without meaning them


@dataclass(frozen=True)
class TableImages:
    """Lazy access to one image per row of a particle table."""

    stacks: list[ImageStack]
    stack_of_row: np.ndarray
    place_of_row: np.ndarray
    pixel_size: float
    """Angstrom: the table's, or the stacks' where the table does not say."""

    def __len__(self) -> int:
        return len(self.stack_of_row)

    @property
    def box(self) -> int:
        """Side of the images in pixels."""
        return self.stacks[0].box

    def read(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Images (count, box, box) of the given rows as float32; nothing else is loaded."""
        rows = np.asarray(rows, np.int64)
        images = np.empty((len(rows), self.box, self.box), np.float32)
        stacks = self.stack_of_row[rows]
        for stack in np.unique(stacks):
            here = np.flatnonzero(stacks == stack)
            images[here] = self.stacks[stack].read(self.place_of_row[rows[here]])
        return images

    def select(self, rows: Sequence[int] | np.ndarray) -> "TableImages":
        """The images of the given rows, in that order."""
        rows = np.asarray(rows, np.int64)
        return replace(self, stack_of_row=self.stack_of_row[rows], place_of_row=self.place_of_row[rows])


def open_images(table: ParticleTable) -> TableImages:
    """Images of a table, after a look at every stack's header: all there, all whole, one size, one pixel size."""
    names, places = table.image_refs()
    unique, first_row, stack_of_row = np.unique(names, return_index=True, return_inverse=True)
    stacks = _open_stacks(table, unique.tolist(), first_row)
    counts = np.array([len(stack) for stack in stacks])
    _check_places(table, stacks, stack_of_row, places)
    whole = np.flatnonzero(~table.data["rlnImageName"].astype(str).str.contains("@") & (counts[stack_of_row] > 1))
    if len(whole):
        raise ValueError(
            f"{table.path}, row {whole[0] + 1}: rlnImageName does not say which of the"
            f" {counts[stack_of_row[whole[0]]]} images of {names[whole[0]]} is meant"
        )
    _check_boxes(table, stacks)
    return TableImages(stacks, stack_of_row, places, _pixel_size(table, stacks))


def with_sizes(table: ParticleTable, images: TableImages) -> ParticleTable:
    """Same particles with the images' sizes, which older tables leave to headers: RELION asks each group for them."""
    sizes = {"rlnImagePixelSize": images.pixel_size, "rlnImageSize": images.box}
    data = table.data.assign(**{name: size for name, size in sizes.items() if name not in table.data})
    told = sizes | {"rlnImageDimensionality": 2}
    optics = table.optics.assign(**{name: size for name, size in told.items() if name not in table.optics})
    return replace(table, data=in_angstrom(data), optics=optics)


def micrograph_pixel_size(name: str, folder: Path) -> float | None:
    """Pixel size in angstrom by the header of a micrograph that a table in `folder` names; None where none says it."""
    path = find_stack(name, folder)
    if path is None or ".mrc" not in path.suffixes:
        return None
    try:
        size = read_header(path).pixel_size
    except (ValueError, OSError):  # nothing else is wanted of it
        return None
    return size if size not in _MEANINGLESS else None


def _open_stacks(table: ParticleTable, names: list[str], first_row: np.ndarray) -> list[ImageStack]:
    found: list[Path | None] = [find_stack(name, table.path.parent) for name in names]
    missing = [index for index, path in enumerate(found) if path is None]
    if missing:
        first = min(missing, key=lambda index: first_row[index])
        raise FileNotFoundError(
            f"{table.path}, row {first_row[first] + 1}: stack {names[first]} is missing ({len(missing)} of"
            f" {len(names)} stacks are; looked in the table's folder, those above it, and the current one)"
        )
    return [ImageStack(path) for path in found if path is not None]


def _check_places(table: ParticleTable, stacks: list[ImageStack], stack_of_row: np.ndarray, places: np.ndarray) -> None:
    counts = np.array([len(stack) for stack in stacks])
    beyond = np.flatnonzero(places >= counts[stack_of_row])
    if not len(beyond):
        return
    stack = stacks[stack_of_row[beyond[0]]]
    if len(stacks) == 1 and len(table) > len(stack):
        raise ValueError(f"{table.path}: {len(table)} rows, but {stack.path} holds {len(stack)} images")
    raise ValueError(
        f"{table.path}, row {beyond[0] + 1}: image {places[beyond[0]] + 1} of {stack.path}, which holds {len(stack)}"
    )


def _check_boxes(table: ParticleTable, stacks: list[ImageStack]) -> None:
    box = table.box or stacks[0].box
    other = next((stack for stack in stacks if stack.box != box), None)
    if other is not None:
        source = f"{table.path} says" if table.box else f"{stacks[0].path} has"
        raise ValueError(f"{source} images of {box} pixels, but those of {other.path} have {other.box}")


def _pixel_size(table: ParticleTable, stacks: list[ImageStack]) -> float:
    headers = {stack.path: stack.pixel_size for stack in stacks if stack.pixel_size not in _MEANINGLESS}
    size = table.pixel_size or next(iter(headers.values()), None)
    if size is None:
        raise ValueError(f"{table.path} has no pixel size: no rlnImagePixelSize, and none in its stacks' headers")
    other = next((path for path, header in headers.items() if abs(header - size) > 0.01 * size), None)
    if other is not None:
        source = table.path if table.pixel_size else next(iter(headers))
        raise ValueError(
            f"two pixel sizes: {size:g} angstrom by {source}, but {headers[other]:g} by the header of {other};"
            " correct whichever is wrong"
        )
    return size
