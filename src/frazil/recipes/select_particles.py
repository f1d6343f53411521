"""`frazil select`: the particles that were picked of a run, as their own table has them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from frazil.io import ParticleTable, fingerprint, read_particles, read_record, refuse_what_is_there, write_particles


@dataclass(frozen=True)
class SelectParticles:
    """Write the picked particles of a run as a STAR file of their original rows, in their original order.

    The images stay where they are, as large as they were: RELION and cryoSPARC read the file as they did the whole one.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of a cryoDRGN run."""
    out: Path
    """STAR file to write."""
    rows: Path | None = None
    """Text file with the number of a picked row, from 1, on each line; the report's page saves one."""
    clusters: str | None = None
    """Clusters to pick by their numbers in the report, as in 1,3."""
    others: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Those that were not picked instead."""


def select_particles(options: SelectParticles) -> None:
    """Write the picked rows; says how many on the terminal."""
    if (options.rows is None) == (options.clusters is None):
        raise ValueError("give either --rows or --clusters to say which particles")
    if options.out.suffix.lower() != ".star":
        raise ValueError(f"{options.out}: the file to write must end in .star")
    refuse_what_is_there(options.out)
    record = read_record(options.run / "config.json", "config")
    config = record["config"]
    if "particles" not in config:
        raise ValueError(f"{options.run}: holds no run on particles")
    table = read_particles(config["particles"])
    found = read_particles(options.run / "particles.star")
    if len(found) != len(table):
        raise ValueError(f"{table.path}: {len(table)} rows, but the run had {len(found)}; it is not what it was")
    if fingerprint(table.path) not in record.get("inputs", {}).values():
        raise ValueError(
            f"{table.path}: is not what it was when the run in {options.run} began; its rows may be others"
        )
    picked = np.zeros(len(table), bool)
    if options.rows is not None:
        picked[_read_rows(options.rows, len(table))] = True
    else:
        picked = _in_clusters(found, options.clusters or "")
    if options.others:
        picked = ~picked
    if not picked.any():
        raise ValueError("no particle was picked")
    write_particles(options.out, table.select(np.flatnonzero(picked)))
    print(f"{options.out}: {picked.sum()} of {len(table)} particles")


def _read_rows(path: Path, count: int) -> np.ndarray:
    """Rows, counted from 0."""
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    rows = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        if not line.isdecimal() or not 1 <= int(line) <= count:
            raise ValueError(f"{path}, line {number}: {line!r} is no row of the {count} particles")
        rows.append(int(line) - 1)
    return np.array(rows, np.int64)


def _in_clusters(found: ParticleTable, names: str) -> np.ndarray:
    if "frazilCluster" not in found.data:
        raise ValueError(f"{found.path}: holds no clusters (frazilCluster)")
    cluster = found.numbers("frazilCluster")
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if not name.isdecimal() or not (cluster == int(name)).any():
            raise ValueError(f"--clusters {names}: there is no cluster {name!r}, only 1 to {int(cluster.max())}")
    return np.isin(cluster, [int(name) for name in wanted])
