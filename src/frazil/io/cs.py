"""Particles of cryoSPARC: structured NumPy arrays, angles in radians, rotation vectors, shifts in pixels."""

from pathlib import Path

import numpy as np
import pandas as pd
import roma
import torch

from frazil.geometry import rotation_to_euler
from frazil.io.particle_table import ANGLES, ORIGINS, ParticleTable, group_optics

_SAME_UNIT = {
    "uid": "cryosparcUid",
    "ctf/accel_kv": "rlnVoltage",
    "ctf/cs_mm": "rlnSphericalAberration",
    "ctf/amp_contrast": "rlnAmplitudeContrast",
    "ctf/df1_A": "rlnDefocusU",
    "ctf/df2_A": "rlnDefocusV",
    "ctf/bfactor": "rlnCtfBfactor",
    "ctf/exp_group_id": "rlnOpticsGroup",
    "blob/psize_A": "rlnImagePixelSize",
}
CS_ABERRATIONS = {
    "ctf/tilt_A": "cryosparcTilt",
    "ctf/trefoil_A": "cryosparcTrefoil",
    "ctf/tetra_A": "cryosparcTetrafoil",
    "ctf/anisomag": "cryosparcAnisotropicMagnification",
}
"""Several numbers each, 0 for a perfect lens."""
_RADIANS = {"ctf/df_angle_rad": "rlnDefocusAngle", "ctf/phase_shift_rad": "rlnPhaseShift"}


def read_cs(path: Path) -> ParticleTable:
    """Particles of a .cs file under RELION's names; what it leaves to its passthrough file is taken from there."""
    array = _load(path)
    fields = {name: array[name] for name in array.dtype.names or ()}
    beside: tuple[Path, ...] = ()
    if "blob/path" not in fields or "ctf/df1_A" not in fields:
        beside = _passthrough_files(path, array)
        fields = _passed_through(path, array, beside) | fields
    if not {"blob/path", "blob/idx"} <= set(fields):
        raise ValueError(
            f"{path} lists no particle images: it has no field blob/path, and not one passthrough file alone beside it"
            " lists its particles"
        )
    if not len(array):
        raise ValueError(f"{path} lists no particle images: its table has no rows")
    data = pd.DataFrame({"rlnImageName": _image_names(fields)})
    for names, factor in ((_SAME_UNIT, None), (_RADIANS, 180 / np.pi)):
        for field, column in names.items():
            if field in fields:
                data[column] = _decimal(fields[field]) if factor is None else fields[field].astype(np.float64) * factor
    for field, column in CS_ABERRATIONS.items():
        if field in fields and fields[field].any():
            data[column] = [f"[{','.join(f'{value:g}' for value in row)}]" for row in fields[field].tolist()]
    if "blob/shape" in fields:
        data["rlnImageSize"] = fields["blob/shape"][:, 0]
    data = _with_alignment(data, fields)
    return ParticleTable(path, *group_optics(data), beside)


def _load(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError):
        raise ValueError(f"{path} is not a cryoSPARC file: it is no NumPy array, or is cut short") from None
    if not isinstance(array, np.ndarray) or array.dtype.names is None:
        raise ValueError(f"{path} is not a cryoSPARC file: its array has no named fields")
    return array


def _passthrough_files(path: Path, array: np.ndarray) -> tuple[Path, ...]:
    """The passthrough file in the same folder; of several, as each class of a job has one, that of these particles."""
    if "uid" not in (array.dtype.names or ()):
        return ()
    beside = [other for other in sorted(path.parent.glob("*passthrough_particles*.cs")) if other != path]
    if len(beside) > 1:
        beside = [other for other in beside if np.isin(array["uid"], _load(other)["uid"]).all()]
    return tuple(beside) if len(beside) == 1 else ()


def _passed_through(path: Path, array: np.ndarray, beside: tuple[Path, ...]) -> dict[str, np.ndarray]:
    """Fields of the passthrough file, in the order of `array`, matched by particle."""
    if not beside:
        return {}
    other = _load(beside[0])
    rows = pd.Index(other["uid"]).get_indexer(pd.Index(array["uid"]))
    if (rows < 0).any():
        raise ValueError(f"{path}, row {np.argmax(rows < 0) + 1}: particle is missing in {beside[0]}")
    return {name: other[name][rows] for name in other.dtype.names or ()}


def _image_names(fields: dict[str, np.ndarray]) -> list[str]:
    """RELION's NUMBER@STACK; an imported stack's path begins with > in cryoSPARC."""
    stacks = [name.decode() if isinstance(name, bytes) else str(name) for name in fields["blob/path"].tolist()]
    return [
        f"{index + 1:06d}@{stack.removeprefix('>')}"
        for index, stack in zip(fields["blob/idx"].tolist(), stacks, strict=True)
    ]


def _decimal(values: np.ndarray) -> np.ndarray:
    """Single-precision numbers as the decimals they were meant to be (2.7, not 2.70000005)."""
    if values.dtype.kind != "f":
        return values
    unique, places = np.unique(values, return_inverse=True)
    return np.array([float(str(value)) for value in unique], np.float64)[places]


def _with_alignment(data: pd.DataFrame, fields: dict[str, np.ndarray]) -> pd.DataFrame:
    """Add pose, half set and class of a 3-D refinement.

    cryoSPARC's rotation vector turns the microscope's frame into the particle's, the inverse of RELION's matrix;
    its shift has the sign of RELION's origin (both as in pyem's csparc2star).
    """
    if "alignments3D/pose" in fields:
        turn = roma.rotvec_to_rotmat(torch.from_numpy(fields["alignments3D/pose"].astype(np.float64)))
        data[ANGLES] = rotation_to_euler(turn.transpose(-1, -2)).numpy()
    pixel_size = fields.get("alignments3D/psize_A", fields.get("blob/psize_A"))
    if "alignments3D/shift" in fields and pixel_size is not None:
        data[ORIGINS] = fields["alignments3D/shift"].astype(np.float64) * pixel_size[:, None]
    if "alignments3D/split" in fields and len(np.unique(fields["alignments3D/split"])) == 2:
        data["rlnRandomSubset"] = fields["alignments3D/split"].astype(np.int64) + 1
    if "alignments3D/class" in fields:
        data["rlnClassNumber"] = fields["alignments3D/class"].astype(np.int64) + 1
    return data
