"""Real micrographs: MRC, PNG, TIFF and JPEG files, named in a STAR table or lying in a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from frazil.io.mrc import agreed_pixel_size, read_header, read_map
from frazil.io.star import read_tables

TIFF = (".tif", ".tiff")
_PICTURES = (".png", *TIFF, ".jpg", ".jpeg")
_MRC = (".mrc", ".mrc.gz", ".mrc.bz2")


@dataclass(frozen=True)
class Micrograph:
    """An image of a whole field of view, and its pixel size in angstrom where the file gives one."""

    image: Float[Tensor, "y x"]
    pixel_size: float | None


def read_micrograph(path: Path) -> Micrograph:
    """A micrograph as it is on file, motion-corrected; ValueError for stacks of frames and for coloured pictures."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    if path.suffix.lower() not in _PICTURES:
        header = read_header(path)
        if header.shape[0] != 1:
            raise ValueError(f"{path}: holds {header.shape[0]} images; a micrograph is one, its frames added up")
        x, y, _ = header.pixel_sizes  # along z an image has none, whatever its header says
        if min(x, y) > 0 and max(x, y) > 1.01 * min(x, y):
            raise ValueError(f"{path}: its pixels are not squares ({x:.4g} x {y:.4g} angstrom)")
        return Micrograph(read_map(path, 1.0).volume[0], x if min(x, y) > 0 else None)
    try:
        with Image.open(path) as picture:
            if len(picture.getbands()) != 1:
                raise ValueError(f"{path}: is a coloured picture; a micrograph has one value in each pixel")
            if (frames := getattr(picture, "n_frames", 1)) != 1:
                raise ValueError(f"{path}: holds {frames} images; a micrograph is one, its frames added up")
            values = np.asarray(picture)
    except UnidentifiedImageError:
        raise ValueError(f"{path}: is no picture that can be read") from None
    # A picture's first row is y = 0 for all programs, but for RELION, IMOD and EMAN2 the last row of a TIFF is.
    rows = values[::-1] if path.suffix.lower() in TIFF else values
    return Micrograph(torch.from_numpy(rows.astype(np.float32)), None)


def known_pixel_size(path: Path, micrograph: Micrograph, given: float | None) -> float:
    """The file's own pixel size in angstrom, or what a user gave; see `agreed_pixel_size`."""
    return agreed_pixel_size(path, micrograph.pixel_size, given)


def find_micrographs(source: Path) -> list[Path]:
    """The micrographs that a STAR table names (rlnMicrographName), that lie in a folder, or the one that is a file.

    Named from the table's folder, a folder above it, or a folder `micrographs` beside it; each once, in their order.
    ValueError where there are none, FileNotFoundError for one that is named and missing.
    """
    if source.is_dir():
        found = sorted(path for path in source.iterdir() if path.name.lower().endswith(_PICTURES + _MRC))
        if not found:
            raise ValueError(f"{source}: holds no micrographs ({', '.join(_MRC[:1] + _PICTURES)})")
        return _told_apart(found)
    if source.suffix.lower() != ".star":
        return [source]
    for table in read_tables(source).values():
        if "rlnMicrographName" in table:
            return _named(source, list(dict.fromkeys(table["rlnMicrographName"].astype(str))))
    raise ValueError(f"{source}: has no column rlnMicrographName")


def _named(table: Path, names: Sequence[str]) -> list[Path]:
    folder = table.resolve().parent
    places = [folder, folder / "micrographs", Path.cwd(), *folder.parents]
    found = []
    for row, name in enumerate(names, 1):
        path = next((place / name for place in places if (place / name).is_file()), None)
        if path is None:
            raise FileNotFoundError(f"{table}: micrograph {row}, {name}, is neither beside it nor in a folder above")
        found.append(path)
    return _told_apart(found)


def _told_apart(paths: list[Path]) -> list[Path]:
    """The same paths; ValueError for two that coordinates and labels could not tell apart."""
    known: dict[str, Path] = {}
    for path in paths:
        if (other := known.setdefault(micrograph_stem(path.name), path)) != path:
            raise ValueError(f"{other} and {path}: micrographs are known by their names without folder and suffix")
    return paths


def micrograph_stem(name: str) -> str:
    """What tells micrographs apart in tables: the name without folder and suffix."""
    return Path(name.removesuffix(".gz").removesuffix(".bz2")).stem
