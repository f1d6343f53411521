"""`frazil reconstruct subtomograms`: volumes of particles that were extracted as stacks of tilt images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from frazil.data.subtomogram_files import CORRECTION, TABLE, VOLUMES
from frazil.data.tilt_stacks import PREMULTIPLIED, TiltStacks, read_tilt_stacks
from frazil.geometry import shift_phase
from frazil.io import refuse_what_is_there, write_map, write_tables
from frazil.io.particle_table import whole_numbers
from frazil.metrics import HALF_MAPS_AGREE, fourier_shell_correlation, write_fsc
from frazil.physics.missing_wedge import missing_wedge
from frazil.physics.tilt_backprojection import Correction, SliceSums
from frazil.recipes.running.progress import progress_bar


@dataclass(frozen=True)
class ReconstructSubtomograms:
    """Make volumes of particles whose tilt images RELION 5 or WarpTools extracted as stacks, and their average."""

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PARTICLES")]
    """RELION 5's optimisation set, or a particle table whose rlnImageName are stacks of tilt images."""
    out: Path
    """Folder for subtomograms/, particles.star, average.mrc, half1.mrc, half2.mrc and fsc.csv."""
    tomograms: Path | None = None
    """Table of tomograms; not needed with an optimisation set."""
    correction: Correction = "phase-flip"
    """What is done about the lens in each volume: none, phase-flip (its signs put right), or wiener. Whole tomograms,
    `frazil cryoetgan tomogram`, are learnt of the first two alone. The average is always Wiener's."""


def reconstruct_subtomograms(options: ReconstructSubtomograms) -> None:
    """Write the volumes, their table, the average by their poses, and how far its halves agree."""
    stacks = read_tilt_stacks(options.source, options.tomograms)
    refuse_what_is_there(options.out / TABLE, options.out / "average.mrc")
    half, molecules = _half_sets(stacks), stacks.molecules
    (options.out / VOLUMES).mkdir(parents=True, exist_ok=True)
    if options.correction == "none" and stacks.premultiplied:
        print(f"{options.source}: its images were multiplied by their CTF, so all signs are right: as phase-flip")
    if not stacks.has_places:
        print(
            f"{options.source}: no rlnCenteredCoordinateXAngst, so the lens of every particle is that of its tomogram's"
            " centre"
        )
    averages = [SliceSums.empty(stacks.box, torch.empty(0)) for _ in range(2)]
    with progress_bar("subtomograms", len(stacks)) as advance:
        for row in range(len(stacks)):
            images = stacks.images(row)
            alone = SliceSums.empty(stacks.box, images.transfer)
            alone.add(*images.sums(options.correction), images.rotation)
            volume = alone.volume_where(~missing_wedge(images.rotation, stacks.box))
            write_map(options.out / VOLUMES / f"{row + 1:06d}.mrc", volume, stacks.pixel_size)
            if stacks.has_poses:
                weighted, weight = images.sums("wiener")
                moved = (images.rotation @ molecules.within[row])[:, :2] / stacks.pixel_size
                weighted = weighted * shift_phase(-moved, stacks.box)
                averages[half[row] - 1].add(weighted, weight, images.rotation @ molecules.rotation[row])
            advance(1)
    if stacks.has_poses:
        _write_average(averages, stacks.pixel_size, options.out)
    else:
        print(f"{options.source}: says no angles (rlnAngleRot), so there is no average")
    _write_table(stacks, half, options)
    print(f"{options.out}: {len(stacks)} subtomograms of {stacks.box} voxels")


def _half_sets(stacks: TiltStacks) -> np.ndarray:
    """1 or 2 for each particle: the table's, or in turns."""
    if "rlnRandomSubset" in stacks.table:
        half = whole_numbers(stacks.table, "rlnRandomSubset", stacks.source)
        if other := set(half.tolist()) - {1, 2}:
            raise ValueError(f"{stacks.source}: rlnRandomSubset holds {min(other)}, not 1 and 2")
        return half
    return np.arange(len(stacks)) % 2 + 1


def _write_average(halves: list[SliceSums], pixel_size: float, out: Path) -> None:
    first, second = halves
    write_map(out / "average.mrc", first.joined(second).volume(), pixel_size)
    if first.is_empty or second.is_empty:
        print("average: all particles are in one half set, so nothing says how good it is")
        return
    volumes = {"half1": first.volume(), "half2": second.volume()}
    for name, volume in volumes.items():
        write_map(out / f"{name}.mrc", volume, pixel_size)
    fsc = fourier_shell_correlation(volumes["half1"], volumes["half2"], pixel_size)
    write_fsc(out / "fsc.csv", {"unmasked": fsc})
    print(f"average: half maps agree to {fsc.resolution(HALF_MAPS_AGREE):.1f} angstrom (FSC 0.143)")


def _write_table(stacks: TiltStacks, half: np.ndarray, options: ReconstructSubtomograms) -> None:
    """The particles as they were listed, their images the volumes."""
    flags = {
        "rlnImageDimensionality": 3,
        "rlnImagePixelSize": stacks.pixel_size,
        "rlnImageSize": stacks.box,
        PREMULTIPLIED: 0,
        "rlnCtfDataArePhaseFlipped": int(options.correction != "none" or stacks.premultiplied),
        CORRECTION: "phase-flip" if options.correction == "none" and stacks.premultiplied else options.correction,
    }
    names = [f"{VOLUMES}/{row + 1:06d}.mrc" for row in range(len(stacks))]
    optics = stacks.optics
    shared = [] if optics is None else [name for name in optics if name != "rlnOpticsGroup"]
    left = stacks.table.drop(columns=["rlnTomoVisibleFrames", *flags, *shared], errors="ignore")
    data = left.assign(rlnImageName=names, rlnRandomSubset=half)
    if optics is None:
        write_tables(options.out / TABLE, {"particles": data.assign(**flags)})
    else:
        write_tables(options.out / TABLE, {"optics": optics.assign(**flags), "particles": data})
