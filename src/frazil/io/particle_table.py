"""The list of particles that every file format is read into, under RELION's names."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from frazil.geometry import Pose, euler_to_rotation, rotation_to_euler

ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
ORIGINS = ["rlnOriginXAngst", "rlnOriginYAngst"]
ORIGINS_3D = [*ORIGINS, "rlnOriginZAngst"]
CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
CLASS = "rlnClassNumber"
_PIXEL_SIZE = "rlnImagePixelSize"
_ALIKE = 0.01  # by how much pixel sizes of tables and headers may differ
OPTICS_COLUMNS = [
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
    "rlnImagePixelSize",
    "rlnImageSize",
]


@dataclass(frozen=True)
class ParticleTable:
    """Particles in the order of their file, one row each."""

    path: Path
    """The file the table came from; image names are looked for from its folder."""
    data: pd.DataFrame
    """RELION's columns, those of the optics group joined in; index 0 ... n - 1."""
    optics: pd.DataFrame
    """One row per optics group."""
    beside: tuple[Path, ...] = ()
    """Other files it came from: cryoSPARC's passthrough file."""

    def __len__(self) -> int:
        return len(self.data)

    def numbers(self, column: str) -> np.ndarray:
        """A column as float64; an entry that is no finite number is refused with its row."""
        return finite_numbers(self.data, column, self.path)

    @property
    def pixel_size(self) -> float | None:
        """Pixel size of the images in angstrom; None where the table does not say, an error where it says two."""
        return self._single("rlnImagePixelSize", "pixel sizes", "angstrom")

    @property
    def box(self) -> int | None:
        """Side of the images in pixels; None where the table does not say, an error where it says two."""
        box = self._single("rlnImageSize", "image sizes", "pixels")
        return None if box is None else round(box)

    def _single(self, column: str, plural: str, unit: str) -> float | None:
        if column not in self.data:
            return None
        values = self.numbers(column)
        other = np.flatnonzero(np.abs(values - values[0]) > 1e-3 * abs(values[0]))
        if len(other):
            raise ValueError(
                f"{self.path} has two {plural}: {values[0]:g} {unit} in row 1, {values[other[0]]:g} {unit} in row"
                f" {other[0] + 1}; resample the images to one, or take one optics group at a time"
            )
        if values[0] <= 0:
            raise ValueError(f"{self.path}, row 1: {column} is {values[0]:g} {unit}")
        return float(values[0])

    def image_refs(self) -> tuple[list[str], np.ndarray]:
        """Name of each row's stack and the image's place in it, counted from 0."""
        names = self.data["rlnImageName"].astype(str)
        parts = names.str.partition("@")
        whole = parts[1] == ""  # no @: the file holds this one image
        numbers = pd.to_numeric(parts[0].where(~whole, "1"), errors="coerce")
        bad = np.flatnonzero(~(numbers >= 1) | (numbers % 1 != 0))
        if len(bad):
            raise ValueError(f"{self.path}, row {bad[0] + 1}: rlnImageName is {names.iloc[bad[0]]!r}, not NUMBER@STACK")
        stacks = parts[2].where(~whole, parts[0])
        return stacks.tolist(), numbers.to_numpy(np.int64) - 1

    def pose(self) -> Pose | None:
        """Orientations and positions of the particles; None where the table holds no angles."""
        if not set(ANGLES) <= set(self.data):
            return None
        angles = np.stack([self.numbers(column) for column in ANGLES], axis=-1)
        return Pose(euler_to_rotation(torch.from_numpy(angles)).float(), self.shifts())

    def shifts(self) -> Float[torch.Tensor, "particles xy"]:
        """Where particles are, in angstrom from the middles of their images; 0 where the table says nothing."""
        if "rlnOriginX" in self.data and ORIGINS[0] not in self.data:
            raise ValueError(
                f"{self.path}: its origins are in pixels (rlnOriginX), and no column says how large those are; add"
                " rlnImagePixelSize"
            )
        origin = [self.numbers(column) if column in self.data else np.zeros(len(self)) for column in ORIGINS]
        return torch.from_numpy(opposite(np.stack(origin, axis=-1))).float()

    def with_columns(self, **columns: np.ndarray) -> "ParticleTable":
        """Same particles with columns added or replaced."""
        return replace(self, data=self.data.assign(**columns))

    def with_pose(self, pose: Pose) -> "ParticleTable":
        """Same particles with the angles and origins of `pose`."""
        angles = rotation_to_euler(pose.rotation.detach().cpu().double()).numpy()
        origin = opposite(pose.shift.detach().cpu().double().numpy())
        values = [*angles.T, *origin.T]
        return self.with_columns(**dict(zip([*ANGLES, *ORIGINS], values, strict=True)))

    def with_half_sets(self, half: Sequence[int] | np.ndarray) -> "ParticleTable":
        """Same particles with the half set, 1 or 2, of each."""
        return self.with_columns(rlnRandomSubset=np.asarray(half, np.int64))

    def select(self, rows: Sequence[int] | np.ndarray) -> "ParticleTable":
        """The particles of the given rows, in that order."""
        return replace(self, data=self.data.iloc[np.asarray(rows, np.int64)].reset_index(drop=True))


def finite_numbers(table: pd.DataFrame, column: str, source: Path | str) -> np.ndarray:
    """A column as float64; ValueError with the source and the row of an entry that is no finite number."""
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64, copy=True)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(f"{source}, row {bad[0] + 1}: {column} is {table[column].iloc[bad[0]]}")
    return values


def whole_numbers(table: pd.DataFrame, column: str, source: Path | str) -> np.ndarray:
    """A column as int64; ValueError with the source and the row of an entry that is no whole number."""
    values = finite_numbers(table, column, source)
    bad = np.flatnonzero(values % 1 != 0)
    if len(bad):
        raise ValueError(f"{source}, row {bad[0] + 1}: {column} is {values[bad[0]]:g}, no whole number")
    return values.astype(np.int64)


def refuse_twice(paths: Iterable[Path], source: Path) -> None:
    """ValueError for a file of a particle's own that is listed twice: two parts of a set might share it."""
    first: dict[Path, int] = {}
    for row, path in enumerate(paths, 1):
        if (other := first.setdefault(path.resolve(), row)) != row:
            raise ValueError(f"{source}, row {row}: {path} stands in row {other} already")


def told_pixel_sizes(table: pd.DataFrame, found: np.ndarray, source: Path | str) -> np.ndarray:
    """Angstrom of each row's pixels, by its rlnImagePixelSize or, where there is none, by the headers of its files.

    ValueError where a size is not positive, or a header that knows (not 0, nor the 1 that stands for nothing) says
    another one.
    """
    if _PIXEL_SIZE not in table:
        return found
    told = finite_numbers(table, _PIXEL_SIZE, source)
    known = (found > 0) & (found != 1)
    for row in np.flatnonzero((told <= 0) | (known & (np.abs(found - told) > _ALIKE * np.abs(told))))[:1]:
        other = f", and the header of its file says {found[row]:g}" if told[row] > 0 else ""
        raise ValueError(f"{source}, row {row + 1}: {_PIXEL_SIZE} is {told[row]:g}{other}")
    return told


def opposite(origin: np.ndarray) -> np.ndarray:
    """Where particles are, of RELION's origins, which bring them to the middle of their boxes; or the other way."""
    return 0.0 - origin  # and no -0 in tables


def group_optics(data: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Particles with an optics group number, and the groups: one for each set of equal microscope settings.

    For files older than optics groups. A column `rlnOpticsGroup` already there keeps its groups apart.
    """
    shared = [column for column in ["rlnOpticsGroup", *OPTICS_COLUMNS] if column in data]
    keys = data[shared].assign(all=0)
    number = keys.groupby([*shared, "all"], dropna=False, sort=False).ngroup().to_numpy() + 1
    data = data.assign(rlnOpticsGroup=number)
    present = [column for column in OPTICS_COLUMNS if column in data]
    optics = data.drop_duplicates("rlnOpticsGroup")[["rlnOpticsGroup", *present]].reset_index(drop=True)
    optics.insert(0, "rlnOpticsGroupName", [f"opticsGroup{group}" for group in optics["rlnOpticsGroup"]])
    return data, optics


def find_stack(name: str, folder: Path) -> Path | None:
    """Where a stack named in a table lies: from the table's folder, the current one, or a folder above the table's.

    RELION and cryoSPARC name images from the root of their project, somewhere above the table.
    """
    above, *others = _folders_above(folder)
    return _first_with(name, [above, Path.cwd(), *others])


def _folders_above(folder: Path) -> list[Path]:
    """A folder and those above it: as it is named, then as it lies on the disk, for a job's may be a link."""
    named, real = folder.absolute(), folder.resolve()
    return list(dict.fromkeys([named, *named.parents, real, *real.parents]))


def _first_with(name: str, folders: Sequence[Path]) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def names_seen_from(table: ParticleTable, folder: Path) -> list[str]:
    """Image names that still lead to the images when the table is written to another folder.

    A name that leads to the same file from there stays as it is, and so does one whose image is missing anyway; any
    other becomes absolute. Where the command was typed does not count.
    """
    stacks, places = table.image_refs()
    moved: dict[str, str] = {}
    for stack in set(stacks):
        old, new = find_stack(stack, table.path.parent), _first_with(stack, _folders_above(folder))
        if old is not None and (new is None or not os.path.samefile(old, new)):
            moved[stack] = str(old.resolve())
    names = table.data["rlnImageName"].astype(str)
    return [
        f"{place + 1:06d}@{moved[stack]}" if stack in moved else name
        for name, stack, place in zip(names, stacks, places, strict=True)
    ]
