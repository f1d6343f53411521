"""`frazil cryoetgan tomogram`: whole tomograms that look like the subtomograms that a run has learnt from."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from frazil.data.seeds import numbered_generator
from frazil.data.tomogram_scenes import SimulatedTomogram
from frazil.data.tomograms_written import TomogramFrame
from frazil.io import fingerprint
from frazil.methods.base import stable_seed
from frazil.recipes.cryoetgan import read_simulation
from frazil.recipes.cryoetgan_generate import load
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, scene_of, structures_of
from frazil.recipes.simulate_tomogram import SimulateTomogram, write_tomograms
from frazil.training import checkpoints, choose_device


@dataclass(frozen=True)
class CryoETGANTomogram:
    """Make whole tomograms like the real ones whose subtomograms a run has learnt from; every molecule is labelled.

    Many molecules and vesicles in ice, under the tilts, lenses and noise that were fitted, then the run's translator in
    tiles that leave no seam. Files and labels are those of `frazil simulate tomogram`, without even and odd halves.
    The tilt series are the simulation's: back-projected they make the simulated tomogram, not this one.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of `frazil cryoetgan train`."""
    out: Path
    """Folder for tomograms/, instances/, classes/, tilt_series/, picks/, truth/ and RELION's tables."""
    count: int = 1
    """Number of tomograms."""
    size: tuple[int, int, int] = (512, 512, 128)
    """Voxels along x, y and z, multiples of 4; the tilt axis is y."""
    molecules: int = 200
    """Molecules in each, fewer where no more find room."""
    vesicles: int = 2
    """Vesicles in each, whose walls no molecule touches; in the masks their numbers come after the molecules' and
    their class after the structures'. Fewer where no more find room."""
    vesicle_radius: tuple[float, float] = (200.0, 400.0)
    """Smallest and largest, angstrom."""
    seed: int = 1000
    """Same seed, same bytes."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N; other devices round differently."""


def tomogram(options: CryoETGANTomogram) -> None:
    """Write the tomograms and their labels."""
    fitted = read_simulation(options.run)
    if fitted.mode != "physics":
        raise ValueError(f"{options.run}: started from bare densities, which make no tomograms; --start physics does")
    method = load(options.run, fitted, choose_device(options.device))
    method.check_tomograms()
    if odd := [side for side in options.size if side % 4]:
        raise ValueError(f"--size: a tomogram's sides must be multiples of 4 voxels, one has {odd[0]}")
    if fitted.correction == "wiener":
        raise ValueError(
            f"{options.run}: learnt from Wiener's volumes, and tomograms are made by phase flips alone; learn from"
            " volumes of `frazil reconstruct subtomograms --correction phase-flip`"
        )
    simulation = _simulation(options, fitted)

    def finish(number: int, made: SimulatedTomogram) -> SimulatedTomogram:
        rotation = simulation.tilts.of_tomogram(number).series(None).rotation
        chance = numbered_generator(stable_seed(options.seed, "noise"), number)
        return replace(made, whole=method.translate_tomogram(made.whole, rotation, chance), halves=None)

    # The units of structures and of noise are those of the subtomograms.
    noise_std = scene_of(fitted, structures_of(fitted)).noise_std(fitted.snr_db)
    weights = fingerprint(checkpoints(options.run / "checkpoints")[0])
    frame = TomogramFrame(simulation.size, simulation.pixel_size, on_disk=True)
    write_tomograms(simulation, frame, {"weights": weights}, lambda _: noise_std, finish)


def _simulation(options: CryoETGANTomogram, fitted: SimulateSubtomograms) -> SimulateTomogram:
    """What is simulated, under the conditions that were fitted."""
    room = options.size[2] * fitted.pixel_size
    if fitted.tilts.ice_thickness > room:
        told = f"ice of {fitted.tilts.ice_thickness:g} angstrom has no room in {room:g} along z, and is that thin"
        print(f"{options.out}: {told} (--size)")
    return SimulateTomogram(
        models=fitted.models,
        out=options.out,
        count=options.count,
        size=options.size,
        pixel_size=fitted.pixel_size,
        molecules=options.molecules,
        vesicles=options.vesicles,
        vesicle_radius=options.vesicle_radius,
        tilts=replace(fitted.tilts, tilt_axis=0.0, ice_thickness=min(fitted.tilts.ice_thickness, room)),
        correction="none" if fitted.correction == "none" else "phase-flip",
        noise=fitted.noise,
        ctf=fitted.ctf,
        lens=fitted.lens,
        resolution=fitted.resolution,
        seed=options.seed,
    )
