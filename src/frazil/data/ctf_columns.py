"""The lens of each image in a table: RELION's columns to a CTF and back."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from frazil.io import ParticleTable
from frazil.io.cs import CS_ABERRATIONS
from frazil.physics import CTF

CTF_COLUMNS = {
    "defocus_u": "rlnDefocusU",
    "defocus_v": "rlnDefocusV",
    "astigmatism_deg": "rlnDefocusAngle",
    "voltage_kv": "rlnVoltage",
    "cs_mm": "rlnSphericalAberration",
    "amplitude_contrast": "rlnAmplitudeContrast",
    "phase_shift_deg": "rlnPhaseShift",
    "b_factor": "rlnCtfBfactor",
}
"""Where a table says each parameter of a CTF; both use the same units."""

ZERO_WHERE_MISSING = ("phase_shift_deg", "b_factor")
"""Parameters that a table need not have."""
_HIGHER = [
    "rlnCtfScalefactor",
    "rlnBeamTiltX",
    "rlnBeamTiltY",
    "rlnOddZernike",
    "rlnEvenZernike",
    *(f"rlnMagMat{row}{column}" for row in "01" for column in "01"),
    *CS_ABERRATIONS.values(),
]
PREMULTIPLIED, FLIPPED = "rlnCtfDataAreCtfPremultiplied", "rlnCtfDataArePhaseFlipped"
"""Whether images, or volumes, were multiplied by their CTF, or by its sign."""


def missing_ctf_columns(table: ParticleTable) -> list[str]:
    """The columns without which a table does not tell its CTF."""
    needed = [column for name, column in CTF_COLUMNS.items() if name not in ZERO_WHERE_MISSING]
    return [column for column in needed if column not in table.data]


def ignored_aberrations(table: ParticleTable) -> list[str]:
    """Columns of aberrations that no CTF here has, where they are not all nought (or no magnification)."""
    return [column for column in _HIGHER if column in table.data and _says_something(column, table.data[column])]


def _says_something(column: str, values: pd.Series) -> bool:
    numbers = pd.to_numeric(values.astype(str).str.strip("[]").str.split(",").explode(), errors="coerce").to_numpy()
    nothing = 1.0 if column in ("rlnMagMat00", "rlnMagMat11", "rlnCtfScalefactor") else 0.0
    return bool((np.isfinite(numbers) & (numbers != nothing)).any())


def ctf_of_table(table: ParticleTable) -> CTF:
    """Contrast transfer function of each row; phase shift and B-factor are 0 where there is no column for them."""
    if missing := missing_ctf_columns(table):
        raise ValueError(
            f"{table.path} has no CTF: column {', '.join(missing)} is missing; add it, or leave the lens out"
            " (--no-ctf, --ctf none)"
        )
    for column in (PREMULTIPLIED, FLIPPED):
        if column in table.data and table.numbers(column).any():
            raise ValueError(
                f"{table.path}: {column} is 1, the CTF was applied to its images already, which is not supported;"
                " extract them without"
            )
    values = {
        name: table.numbers(column) if column in table.data else np.zeros(len(table))
        for name, column in CTF_COLUMNS.items()
    }
    refuse_percent(values["amplitude_contrast"], table.path)
    return CTF(**{name: torch.from_numpy(value).float() for name, value in values.items()})


def refuse_percent(amplitude_contrast: np.ndarray, path: Path) -> None:
    """ValueError for an amplitude contrast that is no part of 1: no CTF has such a one."""
    if len(wrong := np.flatnonzero(np.abs(amplitude_contrast) > 1)):
        found = amplitude_contrast[wrong[0]]
        raise ValueError(f"{path}, row {wrong[0] + 1}: the amplitude contrast is {found:g}, not a part of 1; percent?")


def columns_of_ctf(ctf: CTF) -> dict[str, np.ndarray]:
    """The columns of a table whose rows have the given CTF."""
    # Through text, 2.7 in single precision stays 2.7.
    return {column: getattr(ctf, name).numpy().astype(str).astype(np.float64) for name, column in CTF_COLUMNS.items()}
