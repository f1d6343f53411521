"""`frazil reconstruct subtomograms`: volumes of particles that were extracted as stacks of tilt images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro
from jaxtyping import Complex, Float
from torch import Tensor

from frazil.data.subtomogram_files import TABLE, VOLUMES
from frazil.data.tilt_stacks import TiltStacks, read_tilt_stacks
from frazil.geometry import fourier_transform, frequency_grid, inverse_fourier_transform
from frazil.io import atomic_path, refuse_what_is_there, write_map, write_tables
from frazil.metrics import HALF_MAPS_AGREE, fourier_shell_correlation
from frazil.physics import evaluate_ctf
from frazil.physics.subtomograms import Correction
from frazil.physics.tomography import TiltSeries, missing_wedge, volume_of_sums
from frazil.recipes.progress import progress_bar

Parts = tuple[Complex[Tensor, "tilts box half"], Float[Tensor, "tilts box half"]]
"""Spectra multiplied by their weight, and weights."""


@dataclass(frozen=True)
class ReconstructSubtomograms:
    """Make volumes of particles whose tilt images RELION 5 or WarpTools extracted as stacks, and their average."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PARTICLES")]
    """RELION 5's optimisation set, or a particle table whose rlnImageName are stacks of tilt images."""
    out: Path
    """Folder for subtomograms/, particles.star, average.mrc, half1.mrc, half2.mrc and fsc.csv."""
    tomograms: Path | None = None
    """Table of tomograms; not needed with an optimisation set."""
    correction: Correction = "wiener"
    """What is done about the lens in each volume: none, phase-flip, or wiener. The average is always Wiener's."""


def reconstruct_subtomograms(options: ReconstructSubtomograms) -> None:
    """Write the volumes, their table, the average by their poses, and how far its halves agree."""
    stacks = read_tilt_stacks(options.source, options.tomograms)
    refuse_what_is_there(options.out / TABLE, options.out / "average.mrc")
    (options.out / VOLUMES).mkdir(parents=True, exist_ok=True)
    with progress_bar("subtomograms", len(stacks)) as advance:
        for row in range(len(stacks)):
            images, series = stacks.spectra(row)
            weighted, weight = parts(images, series, stacks, options.correction)
            volume = volume_of_sums(weighted, weight, series.rotation)
            seen = ~missing_wedge(series.rotation, stacks.box)
            volume = inverse_fourier_transform(fourier_transform(volume, 3) * seen, stacks.box, 3)
            write_map(options.out / VOLUMES / f"{row + 1:06d}.mrc", volume, stacks.pixel_size)
            advance(1)
    _write_average(stacks, options.out)
    names = [f"{VOLUMES}/{row + 1:06d}.mrc" for row in range(len(stacks))]
    shown = stacks.table.drop(columns=["rlnTomoVisibleFrames"], errors="ignore")
    data = shown.assign(rlnImageName=names, rlnImageDimensionality=3, rlnImagePixelSize=stacks.pixel_size)
    write_tables(options.out / TABLE, {"particles": data})
    print(f"{options.out}: {len(stacks)} subtomograms of {stacks.box} voxels")


def parts(
    images: Complex[Tensor, "tilts box half"], series: TiltSeries, stacks: TiltStacks, correction: Correction
) -> Parts:
    """What is summed of the images of a particle, and by what that is divided."""
    one = torch.ones_like(images.real)
    if series.lens is None:
        return images, one
    frequency = frequency_grid(stacks.box, stacks.pixel_size)
    lens = evaluate_ctf(series.lens, frequency)
    sign = torch.where(lens < 0, -one, one)
    if stacks.premultiplied:
        # Multiplied by the lens already, so all signs are right; divided by its size it is what flipping would give.
        return images, {"wiener": lens.square(), "phase-flip": lens.abs(), "none": lens.abs()}[correction]
    factor = {"wiener": lens, "phase-flip": sign, "none": one}[correction]
    return images * factor, factor.square()


def _write_average(stacks: TiltStacks, out: Path) -> None:
    """The average by the particles' poses, and of every other one."""
    weighted, weights, rotations, half = [], [], [], []
    for row in range(len(stacks)):
        images, series = stacks.spectra(row)
        spectra, weight = parts(images, series, stacks, "wiener")
        weighted.append(spectra)
        weights.append(weight)
        rotations.append(series.rotation @ stacks.rotation(row))
        half.append(torch.full((len(series),), row % 2))
    every = torch.cat(weighted), torch.cat(weights), torch.cat(rotations)
    number = torch.cat(half)
    halves = [volume_of_sums(*(part[number == one] for part in every)) for one in range(2)]
    for name, volume in {"half1": halves[0], "half2": halves[1], "average": volume_of_sums(*every)}.items():
        write_map(out / f"{name}.mrc", volume, stacks.pixel_size)
    fsc = fourier_shell_correlation(halves[0], halves[1], stacks.pixel_size)
    rows = [f"{shell},{float(value):.4f}\n" for shell, value in enumerate(fsc.correlation)]
    with atomic_path(out / "fsc.csv") as temporary:
        temporary.write_text("shell,half_maps\n" + "".join(rows))
    print(f"average: half maps agree to {fsc.resolution(HALF_MAPS_AGREE):.1f} angstrom (FSC 0.143)")
