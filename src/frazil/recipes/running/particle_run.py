"""What every run on particles is told, and what it makes of it: the particles, and how large one is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data import Particles, Support, open_particles, touching_distance
from frazil.data.ctf_columns import ignored_aberrations
from frazil.inference import ParticleImages
from frazil.training import RunFolder

SHOWN = 24
"""Images of each kind in a report."""
_LEAST_BOX = 8  # px


@dataclass(frozen=True)
class ParticleRun:
    """Options that the runs on particles share."""

    particles: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PARTICLES")]
    """STAR file of RELION 3.0, 3.1 or 5, or .cs of cryoSPARC."""
    out: Path
    """Folder of the run; the same command goes on where it stopped."""
    contrast: Literal["dark", "light", "auto"] = "auto"
    """Protein in the images as they are on file."""
    no_ctf: tyro.conf.FlagCreatePairsOff[bool] = False
    """Images that no lens has blurred: ignore the CTF."""
    diameter: float | None = None
    """Particle diameter in angstrom, for the volume's support and the images' mask; default 75 % of the box, or
    the distance at which round particles touch, where the table's coordinates show that they do."""
    shift_percent: float = 3.0
    """Largest distance of a particle from the centre of its box, in percent of the box."""
    box: int = 64
    """Largest box in pixels; images are Fourier-cropped, so this sets the finest resolution and the cost."""
    seed: int = 0
    """Seed of everything random; each half derives its own."""
    max_minutes: float | None = None
    """Stop after this long with maps and a report; the same command goes on."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""

    def shared(self, folder: RunFolder, name: str) -> dict[str, Any]:
        """What a run in a folder of this one is told: the same, and as much time as is left."""
        options = {field.name: getattr(self, field.name) for field in fields(ParticleRun)}
        if self.max_minutes is not None:
            options["max_minutes"] = max(0.1, self.max_minutes - (time.monotonic() - folder.opened) / 60)
        return options | {"out": folder.path / name}

    def particle_images(
        self, particles: Particles, images: Callable[[Int[Tensor, " batch"]], Float[Tensor, "batch box box"]]
    ) -> ParticleImages:
        """Some of the run's particles, at its box, in which `images` reads them."""
        box = min(self.box, particles.box)
        return ParticleImages(
            images=images,
            ctf=None if self.no_ctf else particles.ctf,
            count=len(particles),
            box=box,
            pixel_size=particles.pixel_size(box),
        )


@dataclass(frozen=True)
class OpenParticles:
    """The particles of a run, and the room that each takes."""

    particles: Particles
    touching: bool
    """Whether it was their touching that gave the diameter."""
    support: Support

    def say_what_was_chosen(self) -> None:
        """Print what no option said."""
        if self.touching:
            diameter = 2 * self.particles.radius
            print(f"the particles touch: diameter {diameter:.0f} angstrom, unless --diameter says otherwise")
        if ignored := ignored_aberrations(self.particles.table):
            print(f"{self.particles.table.path}: {', '.join(ignored)} are left out of account")


def open_run(options: ParticleRun) -> OpenParticles:
    """Particles as the options describe them; ValueError where those contradict the data."""
    if options.box < _LEAST_BOX:
        raise ValueError(f"--box must be {_LEAST_BOX} or more, not {options.box}")
    radius = None if options.diameter is None else options.diameter / 2
    particles = open_particles(options.particles, options.contrast, radius, lens=not options.no_ctf)
    distance = touching_distance(particles.table) if radius is None else None
    if distance:
        particles = replace(particles, radius=min(particles.radius, distance / 2))
    return OpenParticles(particles, distance is not None, _support(options, particles))


def _support(options: ParticleRun, particles: Particles) -> Support:
    field = particles.box * particles.pixel_size()
    support = Support(particles.radius, options.shift_percent / 100 * field)
    if not support.max_shift >= 0:
        raise ValueError(f"--shift-percent must not be negative, it is {options.shift_percent:g}")
    if support.reach > field / 2:
        raise ValueError(
            f"{options.particles}: a particle of {2 * support.radius:g} angstrom that is shifted by up to"
            f" {support.max_shift:.3g} leaves its box of {field:g}; give a smaller --diameter or --shift-percent, or"
            " extract larger boxes"
        )
    return support
