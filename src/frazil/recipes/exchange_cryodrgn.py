"""`frazil import cryodrgn` and `frazil export cryodrgn`: cryoDRGN's pickles to a particle table, and back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import tyro

from frazil.io import (
    ImageStack,
    ParticleTable,
    group_optics,
    open_images,
    read_particles,
    refuse_what_is_there,
    with_sizes,
    write_particles,
)
from frazil.io.cryodrgn import (
    LENS_COLUMNS,
    read_latents,
    read_lenses,
    read_poses,
    write_latents,
    write_lenses,
    write_poses,
)

_LATENT = "frazilLatent"
_FILES = "poses.pkl", "ctf.pkl", "z.pkl"


@dataclass(frozen=True)
class ImportCryoDRGN:
    """Write a STAR file of the images, lenses, poses and latents that cryoDRGN works with."""

    stack: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="STACK")]
    """Images (.mrcs)."""
    ctf: Path
    """Pickle of their lenses, which also says how large a box is."""
    out: Path
    """STAR file to write."""
    poses: Path | None = None
    """Pickle of their poses."""
    latents: Path | None = None
    """Pickle of their latents, z.N.pkl."""


@dataclass(frozen=True)
class ExportCryoDRGN:
    """Write the poses, lenses and latents of a particle table as cryoDRGN's pickles."""

    particles: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PARTICLES")]
    """STAR or .cs file; particles.star of a run."""
    out: Path
    """Folder for poses.pkl and ctf.pkl, and z.pkl where the table holds latents."""


def import_cryodrgn(options: ImportCryoDRGN) -> None:
    """Write the table; says what it holds on the terminal."""
    if options.out.suffix.lower() != ".star":
        raise ValueError(f"{options.out}: the file to write must end in .star")
    refuse_what_is_there(options.out)
    stack, lens = ImageStack(options.stack), read_lenses(options.ctf)
    count, box = len(stack), stack.box
    _check_rows(options.ctf, len(lens), options.stack, count)
    field = lens[:, 0] * lens[:, 1]  # the images may have been made smaller since
    if bad := np.flatnonzero(np.abs(field - field[0]) > 1e-3 * field[0]).tolist():
        raise ValueError(f"{options.ctf}: row {bad[0] + 1} has a box of {field[bad[0]]:g} angstrom, row 1 {field[0]:g}")
    columns = dict(zip(LENS_COLUMNS, lens.T, strict=True))
    columns |= {"rlnImageSize": np.full(count, box), "rlnImagePixelSize": np.full(count, field[0] / box)}
    names = [f"{number:06d}@{options.stack.resolve()}" for number in range(1, count + 1)]
    table = ParticleTable(options.out, *group_optics(pd.DataFrame({"rlnImageName": names, **columns})))
    if options.poses is not None:
        pose = read_poses(options.poses, float(field[0]))
        _check_rows(options.poses, len(pose), options.stack, count)
        table = table.with_pose(pose)
    if options.latents is not None:
        latent = read_latents(options.latents)
        _check_rows(options.latents, len(latent), options.stack, count)
        table = table.with_columns(**{f"{_LATENT}{number}": values for number, values in enumerate(latent.T, 1)})
    write_particles(options.out, table)
    print(f"{options.out}: {count} images of {box} px at {field[0] / box:.4g} angstrom")


def _check_rows(path: Path, rows: int, stack: Path, count: int) -> None:
    if rows != count:
        raise ValueError(f"{path}: {rows} rows, but {stack} holds {count} images")


def export_cryodrgn(options: ExportCryoDRGN) -> None:
    """Write the pickles; says which on the terminal."""
    refuse_what_is_there(*(options.out / name for name in _FILES))  # those of two tables must not meet in one folder
    table = read_particles(options.particles)
    box, pixel_size = table.box, table.pixel_size
    if box is None or pixel_size is None:
        images = open_images(table)
        table, box, pixel_size = with_sizes(table, images), images.box, images.pixel_size
    options.out.mkdir(parents=True, exist_ok=True)
    written = []
    pose = table.pose()
    if pose is not None:
        write_poses(options.out / "poses.pkl", pose, box * pixel_size)
        written.append("poses.pkl")
    if missing := [name for name in LENS_COLUMNS[2:-1] if name not in table.data]:
        print(f"{table.path}: no {', '.join(missing)}, so no ctf.pkl")
    else:
        phase = table if "rlnPhaseShift" in table.data else table.with_columns(rlnPhaseShift=np.zeros(len(table)))
        write_lenses(options.out / "ctf.pkl", np.stack([phase.numbers(name) for name in LENS_COLUMNS], axis=1))
        written.append("ctf.pkl")
    latents = [name for name in map(str, table.data) if name.startswith(_LATENT) and name[len(_LATENT) :].isdecimal()]
    if latents:
        write_latents(options.out / "z.pkl", np.stack([table.numbers(name) for name in latents], axis=1))
        written.append("z.pkl")
    print(f"{options.out}: {', '.join(written) or 'nothing'} of {len(table)} particles")
