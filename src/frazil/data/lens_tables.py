"""Lenses to draw, or of micrographs: from tables of particles, of micrographs, or of numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from frazil.data.ctf_columns import CTF_COLUMNS, ctf_of_table, refuse_percent
from frazil.io import ParticleTable, read_particles, read_tables
from frazil.io.coordinates import refuse_namesakes
from frazil.io.micrographs import micrograph_stem
from frazil.io.star import join_optics
from frazil.physics import CTF, CTFPrior, CTFRanges, CTFTable, ctf_from_table


def ctf_prior(ctf: str, lens: CTFRanges) -> CTFPrior | None:
    """The lenses that `ctf` names: ranges, none, or a file of rows that are drawn whole."""
    if ctf == "none":
        return None
    return lens if ctf == "ranges" else CTFTable(read_ctf_rows(Path(ctf), lens))


def read_ctf_rows(path: Path, microscope: CTFRanges) -> CTF:
    """CTF rows of a STAR or .cs table of particles or micrographs, or of an N x 9 .npy table.

    Where the table does not give voltage, Cs, amplitude contrast or B-factor, the `microscope`'s stand in.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: --ctf must be ranges, none or a file, and there is no such file")
    if path.suffix.lower() == ".npy":
        return _ctf_array(path, microscope)
    table = _table_with_defocus(path)
    shared = ("voltage_kv", "cs_mm", "amplitude_contrast", "b_factor")
    defaults = {CTF_COLUMNS[name]: getattr(microscope, name) for name in shared}
    missing = {name: value for name, value in defaults.items() if name not in table.data}
    return ctf_of_table(replace(table, data=table.data.assign(**missing)))


def micrograph_lenses(path: Path, microscope: CTFRanges) -> dict[str, CTF]:
    """The lens of each micrograph that a STAR table of lenses names, by the name without folder and suffix."""
    tables = read_tables(path).values()
    named = next((table for table in tables if {"rlnMicrographName", "rlnDefocusU"} <= set(table)), None)
    if named is None:
        return {}
    rows = read_ctf_rows(path, microscope)
    refuse_namesakes(named["rlnMicrographName"], path)
    stems = [micrograph_stem(str(name)) for name in named["rlnMicrographName"]]
    defocus = pd.to_numeric(named["rlnDefocusU"]).groupby(stems).agg(lambda own: own.max() - own.min())
    if defocus.max() > 0:
        raise ValueError(
            f"{path}: gives {defocus.idxmax()} lenses up to {defocus.max():.0f} angstrom of defocus apart; give the"
            " micrographs' own table, with one for each"
        )
    return {stem: rows[torch.tensor([row])] for row, stem in enumerate(stems)} if len(stems) == len(rows) else {}


def _ctf_array(path: Path, microscope: CTFRanges) -> CTF:
    try:
        rows = np.load(path, allow_pickle=False)
    except ValueError:
        raise ValueError(f"{path}: is not a .npy table of numbers") from None
    if rows.ndim != 2 or rows.shape[1] != 9 or not len(rows) or not np.isfinite(rows.astype(np.float64)).all():
        raise ValueError(f"{path}: a CTF table has 9 finite columns (box, pixel size, U, V, ...), not {rows.shape}")
    refuse_percent(rows[:, 7].astype(np.float64), path)
    return ctf_from_table(torch.from_numpy(rows.astype(np.float32)), microscope.b_factor)


def _table_with_defocus(path: Path) -> ParticleTable:
    """A table of particles, or else of micrographs, whose rows have no image."""
    if path.suffix.lower() == ".cs":
        return read_particles(path)
    tables = read_tables(path)
    if any("rlnImageName" in table for table in tables.values()):
        return read_particles(path)
    rows = [table for table in tables.values() if "rlnDefocusU" in table and len(table)]
    if not rows:
        raise ValueError(f"{path}: has no column rlnDefocusU to draw lenses from")
    optics = tables.get("optics")
    if optics is None:
        return ParticleTable(path, rows[0], pd.DataFrame())
    return ParticleTable(path, join_optics(rows[0], optics, path), optics)
