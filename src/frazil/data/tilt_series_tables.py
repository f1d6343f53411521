"""How tilt series were taken, of tables by WarpTools (projection matrices) and RELION 5 (angles)."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.ctf_columns import CTF_COLUMNS, ZERO_WHERE_MISSING
from frazil.io import find_stack, read_tables
from frazil.io.particle_table import finite_numbers
from frazil.physics import CTF
from frazil.physics.tilt_series import TiltSeries

_PROJECTION = ["rlnTomoProjX", "rlnTomoProjY", "rlnTomoProjZ"]
_ROTATION = 1e-2  # how far a projection matrix may be from a rotation's
_TILTS = ["rlnTomoXTilt", "rlnTomoYTilt", "rlnTomoZRot"]
_STRENGTH, _EXPOSURE = "rlnCtfScalefactor", "rlnMicrographPreExposure"


@dataclass(frozen=True)
class TomogramSeries:
    """How one tomogram's images were taken."""

    series: TiltSeries
    hand: float
    """1 where what lies below the image's plane is seen at more defocus, -1 where at less (rlnTomoHand)."""


def read_tomograms(tomograms: Path, particles: pd.DataFrame) -> dict[str, TomogramSeries]:
    """The tomograms that particles are of, by name; the lens may stand in the particles' rows.

    ValueError, with the file, the tomogram and the row, for what is not so.
    """
    first = {str(row["rlnTomoName"]): row for _, row in particles.drop_duplicates("rlnTomoName").iterrows()}
    found = {}
    for name, (images, entry) in _entries(tomograms, sorted(first)).items():
        where = f"{tomograms}, {name}"
        found[name] = TomogramSeries(_one_series(images, entry, first[name], where), _hand(entry, where))
    return found


def beside(name: str, table: Path) -> Path:
    """A file that a table names."""
    path = find_stack(name, table.parent)
    if path is None:
        raise FileNotFoundError(f"{table}: {name} is not there")
    return path


def _hand(entry: pd.Series, where: str) -> float:
    hand = entry.get("rlnTomoHand", 1.0)
    if hand not in (1, -1):
        raise ValueError(f"{where}: rlnTomoHand is {hand}, not 1 or -1")
    return float(hand)


def _entries(tomograms: Path, names: list[str]) -> dict[str, tuple[pd.DataFrame, pd.Series]]:
    """Of each tomogram the table of its images, and its row in the list."""
    tables = read_tables(tomograms)
    listed = next((one for one in tables.values() if "rlnTomoName" in one), pd.DataFrame({"rlnTomoName": []}))
    found = {}
    for name in names:
        rows = listed[listed["rlnTomoName"].astype(str) == name]
        if rows.empty:
            raise ValueError(f"{tomograms}: says nothing of the tomogram {name}")
        entry = rows.iloc[0]
        own = tables.get(name)
        if own is None and "rlnTomoTiltSeriesStarFile" in entry:
            own = next(iter(read_tables(beside(str(entry["rlnTomoTiltSeriesStarFile"]), tomograms)).values()))
        if own is None:
            raise ValueError(f"{tomograms}: has no table of the images of {name}, and names none")
        found[name] = (own, entry)
    return found


def _one_series(images: pd.DataFrame, entry: pd.Series, particle: pd.Series, where: str) -> TiltSeries:
    """What the images' own table does not say of the lens stands in the list or in the particles' optics."""

    def column(name: str) -> Float[Tensor, " tilts"]:
        return torch.from_numpy(finite_numbers(images, name, where)).float()

    half = float(entry.get("rlnTomoImportFractionalDose", 0.0)) / 2
    dose = half + (column(_EXPOSURE) if _EXPOSURE in images else torch.zeros(len(images)))
    rotation, strength = _rotations(images, where), column(_STRENGTH) if _STRENGTH in images else None
    if not {CTF_COLUMNS["defocus_u"], CTF_COLUMNS["defocus_v"]} & set(images):
        return TiltSeries(rotation, dose, None, strength)
    values = {}
    for name, wanted in CTF_COLUMNS.items():
        if wanted in images:
            values[name] = column(wanted)
            continue
        given = next((source[wanted] for source in (entry, particle) if wanted in source), None)
        if given is None and name not in ZERO_WHERE_MISSING:
            raise ValueError(f"{where}: says nothing of {wanted}, nor does the particles' table")
        values[name] = torch.full((len(images),), 0.0 if given is None else float(given))
    return TiltSeries(rotation, dose, CTF(**values), strength)


def _rotations(images: pd.DataFrame, where: str) -> Float[Tensor, "tilts 3 3"]:
    """From the tomogram to the microscope: the projection's rows, or Rz Ry Rx of the angles."""
    if set(_PROJECTION) <= set(images):
        return torch.stack([_projection(images, row, where) for row in range(len(images))])
    if not set(_TILTS) <= set(images):
        raise ValueError(f"{where}: has neither {_PROJECTION[0]} nor {_TILTS[1]} to tell how its images were tilted")
    x, y, z = (torch.deg2rad(torch.from_numpy(finite_numbers(images, name, where)).float()) for name in _TILTS)
    return _about(z, 2) @ _about(y, 1) @ _about(x, 0)


def _projection(images: pd.DataFrame, row: int, where: str) -> Float[Tensor, "3 3"]:
    """One image's rotation, of the rows of its projection matrix."""
    rows = []
    for axis in _PROJECTION:
        told = str(images[axis].iloc[row])
        try:
            rows.append([float(value) for value in told.strip("[]").split(",")][:3])
        except ValueError:
            raise ValueError(f"{where}, row {row + 1}: {axis} is {told}, not four numbers in brackets") from None
    matrix = torch.tensor(rows)
    if matrix.shape != (3, 3) or not torch.allclose(matrix @ matrix.T, torch.eye(3), atol=_ROTATION):
        raise ValueError(f"{where}, row {row + 1}: {_PROJECTION[0]}, Y and Z are no rotation's")
    return matrix


def _about(angle: Float[Tensor, " tilts"], axis: int) -> Float[Tensor, "tilts 3 3"]:
    first, second = [(1, 2), (2, 0), (0, 1)][axis]
    turn = torch.eye(3).repeat(len(angle), 1, 1)
    turn[:, first, first] = turn[:, second, second] = angle.cos()
    turn[:, first, second], turn[:, second, first] = -angle.sin(), angle.sin()
    return turn
