"""A 3-D map from the images of the first example, whose poses it is not told, held against the truth afterwards.

    python examples/02_reconstruct.py [--particles runs/particles/particles.star] [--out runs/map] [--steps 2000]

Takes minutes on two cores; with the first example's images it is what `frazil demo` does.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from frazil.io import read_map
from frazil.methods.cryogan import CryoGANConfig
from frazil.metrics import truth_fsc
from frazil.recipes.cryogan import CryoGANRun, run


@dataclass(frozen=True)
class Options:
    particles: Path = Path("runs/particles/particles.star")
    """What examples/01_simulate.py wrote; truth.mrc lies beside it."""
    out: Path = Path("runs/map")
    """Folder of the run: maps, FSC, report.html, checkpoints. The same command goes on where it stopped."""
    steps: int = 2000
    """Updates of the volume; after a few hundred there is little to see yet."""


def main(options: Options) -> None:
    # The run is what `frazil cryogan` starts; `frazil cryogan --help` explains each of these options and the others.
    run(
        CryoGANRun(
            options.particles,
            options.out,
            contrast="light",  # simulated protein is positive; raw micrographs show it dark
            diameter=115.0,
            learning=CryoGANConfig(boxes=(32,), steps=(options.steps,)),
        )
    )

    # Projections do not tell a molecule's orientation, place or hand, so the map is laid onto the truth first.
    fsc = truth_fsc(read_map(options.out / "map.mrc"), read_map(options.particles.with_name("truth.mrc")))
    print(f"against the truth: FSC 0.5 at {fsc.resolution(0.5):.1f} angstrom")


if __name__ == "__main__":
    main(tyro.cli(Options))
