"""Tables of tomograms, read: how tilt series were taken, as WarpTools (projection matrices) and RELION 5 (angles) say
it, and how their molecules lie."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.ctf_columns import CTF_COLUMNS, ZERO_WHERE_MISSING
from frazil.geometry import euler_to_rotation, rotation_to_euler
from frazil.io import find_stack, read_tables
from frazil.io.particle_table import ANGLES, CENTRED, CLASS, ORIGINS_3D, finite_numbers, opposite, whole_numbers
from frazil.physics import CTF, CTFRanges
from frazil.physics.subtomograms import Molecules
from frazil.physics.tilt_scheme import TiltScheme
from frazil.physics.tilt_series import TiltSeries

TURNED = [f"rlnTomoSubtomogram{name}" for name in ("Rot", "Tilt", "Psi")]
"""Angles of the boxes themselves."""
_PROJECTION = ["rlnTomoProjX", "rlnTomoProjY", "rlnTomoProjZ"]
_ROTATION = 1e-2  # how far a projection matrix may be from a rotation's
_LACKING = 3  # images by which series of one length may differ
_TILTS = ["rlnTomoXTilt", "rlnTomoYTilt", "rlnTomoZRot"]
_STRENGTH, _EXPOSURE = "rlnCtfScalefactor", "rlnMicrographPreExposure"


@dataclass(frozen=True)
class TomogramSeries:
    """How one tomogram's images were taken."""

    series: TiltSeries
    hand: float
    """1 where what lies below the image's plane is seen at more defocus, -1 where at less (rlnTomoHand)."""


def read_tomograms(tomograms: Path, particles: pd.DataFrame | None = None) -> dict[str, TomogramSeries]:
    """The tomograms that particles are of, by name, all without particles; the lens may stand in the particles' rows.

    ValueError, with the file, the tomogram and the row, for what is not so.
    """
    listed = _listed(tomograms) if particles is None else particles
    first = {str(row["rlnTomoName"]): row for _, row in listed.drop_duplicates("rlnTomoName").iterrows()}
    found = {}
    for name, (images, entry) in _entries(tomograms, sorted(first)).items():
        where = f"{tomograms}, {name}"
        found[name] = TomogramSeries(_one_series(images, entry, first[name], where), _hand(entry, where))
    return found


def scheme_of(tomograms: Collection[TomogramSeries], like: TiltScheme) -> TiltScheme:
    """Angles and dose of most tomograms, images without strength left out; what nothing tells is `like`'s.

    Pretilts are how far the tomograms' ranges lie apart, where that is more than half a step.
    """
    angles = [_tilts(one.series).sort().values for one in tomograms]
    step = median(float(one.diff().median()) for one in angles)
    middle = median(float(one[0] + one[-1]) / 2 for one in angles)
    half = median(float(one[-1] - one[0]) for one in angles) / 2
    low, high = round(middle - half, 1), round(middle + half, 1)
    apart = [round(_moved(float(one[0]) - middle + half, float(one[-1]) - middle - half, step), 1) for one in angles]
    pretilts = tuple(apart) if max(map(abs, apart)) > step / 2 else ()
    axis = round(_axis([one.series for one in tomograms]), 1)
    step = (high - low) / max(1, round((high - low) / step))
    dose = dose_of(tomograms) or like.dose_per_tilt
    return replace(like, tilt_range=(low, high), tilt_step=step, dose_per_tilt=dose, pretilts=pretilts, tilt_axis=axis)


def dose_of(tomograms: Collection[TomogramSeries]) -> float:
    """Of an image of most tomograms, in electrons per square angstrom; 0 where nothing tells."""
    return median(float(one.series.dose.sort().values.diff().median()) for one in tomograms)


def _moved(first: float, last: float, step: float) -> float:
    """By how many degrees a series is turned whose first and last tilt differ so from most others'.

    One of another length lacks images, or has more: it is turned by what both of its ends are, if by anything.
    """
    if abs(last - first) <= _LACKING * step:
        return (first + last) / 2
    return min(first, last, key=abs) if first * last > 0 else 0.0


def lens_ranges_of(tomograms: Collection[TomogramSeries], like: CTFRanges) -> CTFRanges:
    """Of the tomograms' lenses, each one's median image; `like` where nothing tells. ValueError for two microscopes."""
    lenses = [one.series.lens for one in tomograms if one.series.lens is not None]
    if not lenses:
        return like
    defocus = [float((lens.defocus_u + lens.defocus_v).median()) / 2 for lens in lenses]
    difference = [float((lens.defocus_u - lens.defocus_v).abs().median()) for lens in lenses]
    phase = [float(lens.phase_shift_deg.median()) for lens in lenses]
    microscope = {}
    for name in ("voltage_kv", "cs_mm", "amplitude_contrast"):
        told = torch.cat([getattr(lens, name) for lens in lenses])
        if told.min() < told.max():
            raise ValueError(
                f"its tomograms are of several microscopes, {CTF_COLUMNS[name]} is from {told.min():g} to"
                f" {told.max():g}; give those of one"
            )
        microscope[name] = float(told[0])
    return replace(
        like,
        defocus=(min(defocus), max(defocus)),
        astigmatism=(min(difference), max(difference)),
        phase_shift_deg=(min(phase), max(phase)),
        **microscope,
    )


def _axis(every: Collection[TiltSeries]) -> float:
    """Degrees by which most images are turned from the tomogram's y, about which they were tilted, to their own."""
    axis = torch.cat([series.rotation[:, :2, 1] for series in every]).quantile(0.5, 0)  # angles would break at 180
    return float(torch.rad2deg(torch.atan2(-axis[0], axis[1])))


def _tilts(series: TiltSeries) -> Float[Tensor, " images"]:
    """Angles about the tomogram's y of the images that hold some signal, in degrees."""
    beam = series.rotation[:, 2] if series.strength is None else series.rotation[series.strength > 0, 2]
    return torch.rad2deg(torch.atan2(-beam[:, 0], beam[:, 2]))


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


def _listed(tomograms: Path) -> pd.DataFrame:
    """The rows of tomograms; none where the table has no list of them."""
    tables = read_tables(tomograms).values()
    return next((one for one in tables if "rlnTomoName" in one), pd.DataFrame({"rlnTomoName": []}))


def _entries(tomograms: Path, names: list[str]) -> dict[str, tuple[pd.DataFrame, pd.Series]]:
    """Of each tomogram the table of its images, and its row in the list."""
    tables, listed = read_tables(tomograms), _listed(tomograms)
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


def molecules_of(table: pd.DataFrame, source: Path) -> Molecules:
    """How the molecules of RELION's table lie in their tomograms, and in boxes of which the table may say that they
    are turned (rlnTomoSubtomogramRot); 0 for what it does not say. ValueError for origins in pixels of unknown size."""
    if "rlnOriginX" in table and ORIGINS_3D[0] not in table:
        raise ValueError(f"{source}: its origins are in pixels (rlnOriginX), and no column says how large those are")

    def columns(names: Sequence[str]) -> np.ndarray:
        nothing = np.zeros(len(table))
        return np.stack([finite_numbers(table, name, source) if name in table else nothing for name in names], -1)

    def rotations(names: Sequence[str]) -> Float[Tensor, "count 3 3"]:
        return euler_to_rotation(torch.from_numpy(columns(names)).float())

    box = rotations(TURNED)
    number = whole_numbers(table, CLASS, source) if CLASS in table else np.ones(len(table), np.int64)
    return Molecules(
        place=torch.from_numpy(columns(CENTRED)).float(),
        rotation=box @ rotations(ANGLES),
        within=torch.einsum("nij,nj->ni", box, torch.from_numpy(opposite(columns(ORIGINS_3D))).float()),
        structure=torch.from_numpy(number - 1),
    )


def unturned(table: pd.DataFrame, source: Path) -> pd.DataFrame:
    """The same molecules in boxes that lie as their tomograms do."""
    if not set(TURNED) & set(table):
        return table
    molecules = molecules_of(table, source)
    columns = dict(zip(ORIGINS_3D, opposite(molecules.within.numpy()).T, strict=True))
    if set(ANGLES) <= set(table):
        columns |= dict(zip(ANGLES, rotation_to_euler(molecules.rotation).numpy().T, strict=True))
    return table.drop(columns=TURNED, errors="ignore").assign(**columns)
