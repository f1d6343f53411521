"""Subtomograms on disk: small volumes, and what a table says of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data.contrast import contrast_sign
from frazil.data.tomograms_read import TURNED
from frazil.io import find_stack, read_map, read_tables
from frazil.io.mrc import Header, agreed_pixel_size, read_header
from frazil.io.particle_table import CLASS, finite_numbers, told_pixel_sizes, whole_numbers
from frazil.io.star import in_angstrom, join_optics

_MEASURED, _FEW = 400, 20  # at most, and at least, by which protein is told to be dark or light


@dataclass(frozen=True)
class Subtomograms:
    """Volumes of one side, each a file; read when they are asked for."""

    source: Path
    """The table, or the folder."""
    paths: list[Path]
    box: int
    pixel_size: float
    table: pd.DataFrame | None
    """RELION's columns, a row for each; None for a folder without a table."""
    sign: float = 1.0
    """Of protein on file: 1 light, -1 dark, which is turned on reading."""

    def __len__(self) -> int:
        return len(self.paths)

    def volumes(self, rows: Sequence[int] | None = None) -> Float[Tensor, "count box box box"]:
        """Some volumes, or all, each of mean 0 and standard deviation 1: their units are the reconstruction's."""
        wanted = self.paths if rows is None else [self.paths[row] for row in rows]
        volumes = torch.empty(len(wanted), self.box, self.box, self.box)
        for place, path in enumerate(wanted):
            volumes[place] = self.sign * _standardised(path)
        return volumes

    def classes(self) -> Int[Tensor, " count"] | None:
        """Number of each one's class, as the table says it; None where nothing does."""
        if self.table is None or CLASS not in self.table:
            return None
        return torch.from_numpy(whole_numbers(self.table, CLASS, self.source))

    def select(self, rows: Sequence[int] | np.ndarray) -> "Subtomograms":
        """Those of the given rows, in that order."""
        table = None if self.table is None else self.table.iloc[np.asarray(rows)].reset_index(drop=True)
        paths = [self.paths[row] for row in rows]
        return replace(self, paths=paths, table=table)

    def measured_sign(self, radius: float) -> float | None:
        """Sign of protein of that radius (angstrom) as `contrast_sign` measures it, on projections along the beam; None
        where the two cannot be told apart."""
        rows = np.unique(np.linspace(0, len(self) - 1, min(len(self), _MEASURED)).round().astype(np.int64))
        upright = self.volumes(rows.tolist()).sum(1)
        # The scatter of a handful is no measure of their error.
        return contrast_sign(upright, None, self.pixel_size, radius) if len(rows) >= _FEW else None


def _standardised(path: Path) -> Float[Tensor, "box box box"]:
    volume = read_map(path, pixel_size=1.0).volume
    spread = volume.std()
    if not spread > 0:
        raise ValueError(f"{path}: is the same everywhere")
    return (volume - volume.mean()) / spread


def read_subtomograms(source: str | Path, pixel_size: float | None = None) -> Subtomograms:
    """Subtomograms of a STAR table (rlnImageName one MRC volume each) or of a folder of MRC volumes.

    The headers are looked at: all cubes of one side and one voxel size, in angstrom, for which `pixel_size` stands in
    where neither table nor headers say it. ValueError, with the file and the row, for what is not so.
    """
    source = Path(source)
    if source.is_dir():
        if (beside := source / "particles.star").is_file():
            raise ValueError(f"{source}: has a table; give {beside}")
        paths, table = sorted(source.glob("*.mrc")), None
        if not paths:
            raise ValueError(f"{source}: holds no .mrc files")
    else:
        table = _rows(source)
        paths = _found(table, source)
    headers = [read_header(path) for path in paths]
    box = _side(headers, paths)
    return Subtomograms(source, paths, box, _voxel_size(source, table, headers, pixel_size), table)


def _rows(source: Path) -> pd.DataFrame:
    tables = read_tables(source)
    named = next((table for table in tables.values() if "rlnImageName" in table and len(table)), None)
    if named is None:
        raise ValueError(f"{source}: lists no subtomograms, there is no column rlnImageName with rows")
    data = named if "optics" not in tables else join_optics(named, tables["optics"], source)
    data = in_angstrom(data)
    flat = "rlnImageDimensionality" in data and (data["rlnImageDimensionality"] == 2).any()
    if flat:
        raise ValueError(
            f"{source}: its subtomograms are stacks of tilt images (rlnImageDimensionality 2); make volumes of them"
            " with `frazil reconstruct subtomograms`"
        )
    _refuse_turned(data, source)
    return data.reset_index(drop=True)


def _refuse_turned(data: pd.DataFrame, source: Path) -> None:
    """ValueError where boxes do not lie as their tomograms do: each would have a wedge of its own."""
    for name in (name for name in TURNED if name in data):
        angles = finite_numbers(data, name, source)
        for row in np.flatnonzero(angles)[:1]:
            raise ValueError(
                f"{source}, row {row + 1}: {name} is {angles[row]:g}, but boxes must be cut out without turning them;"
                " extract stacks of tilt images, and make volumes of them with `frazil reconstruct subtomograms`"
            )


def _found(table: pd.DataFrame, source: Path) -> list[Path]:
    paths = []
    for row, name in enumerate(table["rlnImageName"].astype(str), 1):
        path = find_stack(name, source.parent)
        if path is None:
            raise FileNotFoundError(f"{source}, row {row}: {name} is not there")
        paths.append(path)
    return paths


def _side(headers: Sequence[Header], paths: Sequence[Path]) -> int:
    box = headers[0].shape[0]
    for header, path in zip(headers, paths, strict=True):
        if header.shape != (box, box, box):
            sides = " x ".join(str(side) for side in header.shape[::-1])
            raise ValueError(f"{path}: {sides} voxels, where {paths[0]} has {box} a side; all must be one cube's")
        if min(header.pixel_sizes) > 0 and max(header.pixel_sizes) > 1.01 * min(header.pixel_sizes):
            sizes = " x ".join(f"{size:g}" for size in header.pixel_sizes)
            raise ValueError(f"{path}: its voxels are {sizes} angstrom along x, y and z, no cubes")
    return box


def _voxel_size(source: Path, table: pd.DataFrame | None, headers: Sequence[Header], given: float | None) -> float:
    found = np.array([header.pixel_size for header in headers])
    told = found if table is None else told_pixel_sizes(table, found, source)
    if told.max() > 1.001 * told.min():
        raise ValueError(f"{source}: has two voxel sizes, {told.min():g} and {told.max():g} angstrom")
    return agreed_pixel_size(source, float(told[0]), given)
