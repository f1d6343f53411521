"""The folder of a simulated data set: whose it is, its table of true conditions, and the lenses it may draw from."""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from frazil.data.ctf_columns import CTF_COLUMNS, columns_of_ctf
from frazil.geometry import Pose
from frazil.io import (
    ParticleTable,
    configuration_changes,
    hold_folder,
    read_particles,
    read_record,
    stored_configuration,
    write_particles,
    write_record,
)
from frazil.io.particle_table import group_optics
from frazil.physics import CTF, Conditions

_TABLE = "particles.star"  # written last: where it is, the data set is whole
STRUCTURES = "structures"  # folder of the true maps, where there are several
_OUTPUTS = (_TABLE, "particles.mrcs", "truth.mrc", "README.txt", "config.json")


def claim_folder(out: Path, config: Mapping[str, Any], size: int) -> bool:
    """Make the folder for a data set of this configuration, or say that it is there already, whole.

    `config` holds what JSON can hold, and paths. Raises ValueError where another run's files are, naming the options
    that differ, and OSError where `size` bytes do not fit on the disk.
    """
    refuse_another_run(out, config, (*_OUTPUTS, STRUCTURES))
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
        try:
            write_record(out / "config.json", {"config": stored_configuration(config)})
        except OSError:
            if not (out / "config.json").is_file():  # that other job has just written the same
                raise


@contextmanager
def whole_or_nothing(out: Path) -> Iterator[None]:
    """Remove the data set's files when something goes wrong on the way, a full disk above all.

    ValueError where another process is writing them.
    """
    with hold_folder(out):
        try:
            yield
        except BaseException:
            for name in _OUTPUTS:
                (out / name).unlink(missing_ok=True)
            shutil.rmtree(out / STRUCTURES, ignore_errors=True)
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
