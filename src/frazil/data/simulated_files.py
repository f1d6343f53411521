"""The folder of a simulated data set: whose it is, its table of true conditions, and the lenses it may draw from."""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from frazil.data.ctf_columns import CTF_COLUMNS, columns_of_ctf, ctf_of_table
from frazil.geometry import Pose
from frazil.io import (
    ParticleTable,
    configuration_changes,
    read_particles,
    read_record,
    read_tables,
    stored_configuration,
    write_particles,
    write_record,
)
from frazil.io.coordinates import micrograph_stem
from frazil.io.particle_table import group_optics
from frazil.io.star import join_optics
from frazil.physics import CTF, Conditions, CTFPrior, CTFRanges, CTFTable, ctf_from_table

_TABLE = "particles.star"  # written last: where it is, the data set is whole
STRUCTURES = "structures"  # folder of the true maps, where there are several
_OUTPUTS = (_TABLE, "particles.mrcs", "truth.mrc", "README.txt", "config.json")


def claim_folder(out: Path, config: Mapping[str, Any], size: int) -> bool:
    """Make the folder for a data set of this configuration, or say that it is there already, whole.

    `config` holds what JSON can hold, and paths. Raises ValueError where another run's files are, naming the options
    that differ, and OSError where `size` bytes do not fit on the disk.
    """
    refuse_another_run(out, config, _OUTPUTS)
    if (out / _TABLE).is_file():
        if (rows := len(read_particles(out / _TABLE))) != config["count"]:
            raise ValueError(f"{out / _TABLE}: holds {rows} of {config['count']} images; choose another folder")
        return True
    make_folder(out, config, size)
    return False


def refuse_another_run(out: Path, config: Mapping[str, Any], outputs: Collection[str]) -> None:
    """ValueError where `out` holds a data set of another configuration, or one of `outputs` without any."""
    file = out / "config.json"
    if file.is_file():
        if changes := configuration_changes(read_record(file, "config")["config"], stored_configuration(config)):
            raise ValueError(f"{out}: holds a run with other options ({changes}); choose another folder")
    elif strangers := [name for name in outputs if (out / name).exists()]:
        raise ValueError(f"{out}: holds {strangers[0]} of another run; choose another folder")


def make_folder(out: Path, config: Mapping[str, Any], size: int) -> None:
    """Make a data set's folder, with its configuration; OSError where `size` bytes do not fit on the disk."""
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free
    if free < size:
        raise OSError(f"{out}: the images need {size / 1e9:.2f} GB, but the disk has {free / 1e9:.2f} GB free")
    if not (out / "config.json").is_file():  # another job of the same data set may be reading it
        write_record(out / "config.json", {"config": stored_configuration(config)})


@contextmanager
def whole_or_nothing(out: Path) -> Iterator[None]:
    """Remove the data set's files when something goes wrong on the way, a full disk above all."""
    try:
        yield
    except BaseException:
        for name in _OUTPUTS:
            (out / name).unlink(missing_ok=True)
        shutil.rmtree(out / STRUCTURES, ignore_errors=True)
        if not any(out.iterdir()):
            out.rmdir()
        raise


def write_conditions(
    path: Path,
    conditions: Sequence[Conditions],
    box: int,
    pixel_size: float,
    more: Mapping[str, Any] | None = None,
    stack: str = "particles.mrcs",
) -> None:
    """Write the true poses and lenses as RELION 3.1's table, half sets taking turns, with `more` columns."""
    count = sum(len(part.pose) for part in conditions)
    columns: dict[str, Any] = {"rlnImageName": [f"{place:06d}@{stack}" for place in range(1, count + 1)]}
    lenses = [part.ctf for part in conditions if part.ctf is not None]
    if lenses:
        joined = {name: torch.cat([getattr(lens, name) for lens in lenses]) for name in CTF_COLUMNS}
        columns |= columns_of_ctf(CTF(**joined))
    data = pd.DataFrame(columns | {"rlnImagePixelSize": pixel_size, "rlnImageSize": box, **(more or {})})
    data, optics = group_optics(data)
    table = ParticleTable(path, data, optics.assign(rlnImageDimensionality=2))
    rotation, shift = (torch.cat([getattr(part.pose, name) for part in conditions]) for name in ("rotation", "shift"))
    write_particles(path, table.with_pose(Pose(rotation, shift)).with_half_sets(np.arange(count) % 2 + 1))


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
    stems = [micrograph_stem(str(name)) for name in named["rlnMicrographName"]]
    return {stem: rows[torch.tensor([row])] for row, stem in enumerate(stems)} if len(stems) == len(rows) else {}


def _ctf_array(path: Path, microscope: CTFRanges) -> CTF:
    try:
        rows = np.load(path, allow_pickle=False)
    except ValueError:
        raise ValueError(f"{path}: is not a .npy table of numbers") from None
    if rows.ndim != 2 or rows.shape[1] != 9 or not len(rows) or not np.isfinite(rows.astype(np.float64)).all():
        raise ValueError(f"{path}: a CTF table has 9 finite columns (box, pixel size, U, V, ...), not {rows.shape}")
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
