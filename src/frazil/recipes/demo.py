"""`frazil demo`: the built-in specimen simulated, reconstructed without its poses, refined, held against the truth."""

import json
from dataclasses import dataclass
from pathlib import Path

from frazil.io import read_map
from frazil.metrics import HALF_MAPS_AGREE, TRUTH_AGREES, truth_fsc
from frazil.recipes import cryogan
from frazil.recipes.cryogan import CryoGANRun
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles


@dataclass(frozen=True)
class DemoRun:
    """Simulate 2 x 5,000 noisy particle images, reconstruct and refine without their poses, compare with the truth."""

    out: Path = Path("demo")
    """Folder for the images, the run and its report."""
    seed: int = 0
    """Seed of the images and of the reconstruction."""
    images: int = 10_000
    """Images simulated, half of them for each half map."""
    steps: int = 1000
    """Updates of the volume by CryoGAN, before it is refined."""


def run(options: DemoRun) -> int:
    """Simulate, reconstruct, refine, and print the resolution against the truth."""
    data = options.out / "data"
    reconstruction = _reconstruction(options, data)
    simulate_particles(_images(options, data))
    cryogan.run(reconstruction)
    for name, folder in (("CryoGAN", reconstruction.out), ("refined", reconstruction.out / "refine")):
        half, tenth = _truth_resolutions(folder, data)
        minutes = _minutes(folder)
        print(f"{name}: truth FSC = 0.5 at {half:.1f} angstrom, 0.143 at {tenth:.1f} angstrom, {minutes:.1f} minutes")
    return 0


def _images(options: DemoRun, data: Path) -> SimulateParticles:
    """-5 dB is the signal-to-noise ratio of real beta-galactosidase at 32 px."""
    return SimulateParticles(
        "pseudo-protein",
        out=data,
        box=32,
        pixel_size=6.0,
        count=options.images,
        snr_db=-5.0,
        shift_percent=3.0,
        seed=options.seed,
    )


def _reconstruction(options: DemoRun, data: Path) -> CryoGANRun:
    return CryoGANRun(
        data / "particles.star",
        out=options.out / "run",
        contrast="light",
        diameter=115.0,
        seed=options.seed,
        refine=True,
        learning=cryogan.CryoGANConfig(boxes=(32,), steps=(options.steps,)),
    )


def _truth_resolutions(run: Path, data: Path) -> tuple[float, float]:
    """Where the FSC of the map with the truth falls to 0.5 and 0.143. Nothing before this line has seen the truth."""
    fsc = truth_fsc(read_map(run / "map.mrc"), read_map(data / "truth.mrc"))
    return fsc.resolution(TRUTH_AGREES), fsc.resolution(HALF_MAPS_AGREE)


def _minutes(run: Path) -> float:
    """What a run took, in however many parts."""
    last = (run / "log.jsonl").read_text().splitlines()[-1]
    return json.loads(last)["elapsed"] / 60
