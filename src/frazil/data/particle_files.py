"""The files of simulated particles: all of them or none, and the table of their true conditions."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from frazil.data.ctf_columns import CTF_COLUMNS, columns_of_ctf
from frazil.data.data_set_folder import make_folder, refuse_another_run
from frazil.geometry import Pose
from frazil.io import (
    ParticleTable,
    hold_folder,
    read_particles,
    write_particles,
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
) -> None:
    """Write the true poses and lenses as RELION 3.1's table, half sets taking turns, with `more` columns."""
    count = sum(len(part.pose) for part in conditions)
    columns: dict[str, Any] = {"rlnImageName": [f"{place:06d}@particles.mrcs" for place in range(1, count + 1)]}
    lenses = [part.ctf for part in conditions if part.ctf is not None]
    if lenses:
        joined = {name: torch.cat([getattr(lens, name) for lens in lenses]) for name in CTF_COLUMNS}
        columns |= columns_of_ctf(CTF(**joined))
    data = pd.DataFrame(columns | {"rlnImagePixelSize": pixel_size, "rlnImageSize": box, **(more or {})})
    data, optics = group_optics(data)
    table = ParticleTable(path, data, optics.assign(rlnImageDimensionality=2))
    rotation, shift = (torch.cat([getattr(part.pose, name) for part in conditions]) for name in ("rotation", "shift"))
    write_particles(path, table.with_pose(Pose(rotation, shift)).with_half_sets(np.arange(count) % 2 + 1))
