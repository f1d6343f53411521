"""`frazil cryogem generate`: micrographs that look like the real ones that a run has learnt from, with every label."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro

from frazil.data.data_set_folder import make_folder, refuse_another_run
from frazil.data.micrograph_files import OUTPUTS, TABLE, MicrographFiles
from frazil.data.micrograph_scenes import SimulatedFields
from frazil.data.micrographs import flattened
from frazil.data.seeds import numbered_generator
from frazil.data.workers import MOST_WORKERS, in_order, one_thread_per_operation
from frazil.io import fingerprint, hold_folder
from frazil.methods.base import stable_seed
from frazil.methods.cryogem import CryoGEM, CryoGEMConfig
from frazil.physics import FieldExposure
from frazil.recipes.cryogem import read_simulation
from frazil.recipes.fitting.match_micrographs import FLAT
from frazil.recipes.running.learning import load_learnt
from frazil.recipes.running.progress import progress_bar
from frazil.recipes.simulate_micrographs import (
    SimulateMicrographs,
    check_size,
    configuration,
    exposure_of,
    fields_of,
    told_count,
)
from frazil.training import checkpoints
from frazil.training.launch import launch


@dataclass(frozen=True)
class CryoGEMGenerate:
    """Make micrographs like the real ones that a run has learnt from, with every label.

    Files and labels are those of `frazil simulate micrographs`, protein dark; images are flat, their noise of variance
    1, and a particle is as many of their pixels wide as --particle-px of the training said. Each micrograph follows
    from the seed and its number alone: the same command goes on where it stopped, and parts of a data set may be made
    at different places.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of `frazil cryogem train`."""
    out: Path
    """Folder for micrographs/, masks/, boxes/, cboxes/, particles.star, particles.txt and micrographs.star."""
    count: int = 100
    """Number of micrographs."""
    size: tuple[int, int] | None = None
    """Pixels along x and y; default as large as the real micrographs are at this pixel size."""
    particles: float | None = None
    """Particles on a micrograph on average, on every one that number; default as dense as on the real ones, and as
    varied."""
    seed: int = 1000
    """Same seed, same bytes."""
    shard: tuple[int, int] = (0, 1)
    """k and n: make only every nth micrograph from number k (from 0) on, as one of n jobs. The job that finds all of
    them there at its end writes the tables. Ranks of torchrun or srun share a job's micrographs by themselves."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N; other devices round differently."""
    workers: int | None = None
    """Threads that make micrographs on a CPU; the number of cores, 8 at most, if not given."""


def generate(options: CryoGEMGenerate) -> None:
    """Write the micrographs and their labels."""
    _check(options)
    fabric = launch(options.device, "32-true")
    method = load(options.run, fabric.device)
    fitted = read_simulation(options.run)
    simulation = _simulation(options, fitted)
    config = configuration(simulation)
    config["weights"] = fingerprint(checkpoints(options.run / "checkpoints")[0])
    refuse_another_run(options.out, config, OUTPUTS)
    if (options.out / TABLE).is_file():
        print(f"{options.out}: already generated with these options")
        return
    own, of = options.shard
    part = f"_{own}_{of}" if of > 1 else ""
    with one_thread_per_operation(), hold_folder(options.out, part) if fabric.is_global_zero else nullcontext():
        data = fields_of(simulation)
        files = MicrographFiles(options.out, simulation.pixel_size, simulation.size, data.population.radius)
        fabric.barrier()  # all ranks have looked before one of them writes
        if fabric.is_global_zero:
            missing = files.missing(range(own, options.count, of))
            make_folder(options.out, config, files.room(len(missing)))
        fabric.barrier()
        numbers = range(own + of * fabric.global_rank, options.count, of * fabric.world_size)
        # As strong as was fitted, however many there are on however large a micrograph.
        _write_images(method, data, exposure_of(simulation, data, fitted), files, numbers, options)
        fabric.barrier()
        if fabric.is_global_zero:
            _write_tables(data, files, simulation)


def _simulation(options: CryoGEMGenerate, fitted: SimulateMicrographs) -> SimulateMicrographs:
    """What is simulated: as densely as was fitted, unless the user says how many."""
    size = options.size or fitted.size
    larger = size[0] * size[1] / (fitted.size[0] * fitted.size[1])
    counts = (fitted.particles * larger, fitted.particles_deviation * larger)
    particles, deviation = counts if options.particles is None else (options.particles, 0.0)
    own = replace(fitted, out=options.out, count=options.count, seed=options.seed)
    return replace(own, size=size, particles=particles, particles_deviation=deviation)


def _check(options: CryoGEMGenerate) -> None:
    if options.size is not None:
        check_size(options.size)
    if options.count < 1:
        raise ValueError(f"--count must be 1 or more, not {options.count}")
    own, of = options.shard
    if not 0 <= own < of:
        raise ValueError(f"--shard must be a number below the number of jobs, and that: not {own} {of}")
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers must be 1 or more, not {options.workers}")
    if options.particles is not None and not options.particles >= 0:
        raise ValueError(f"--particles must not be negative, it is {options.particles:g}")


def _write_images(
    method: CryoGEM,
    data: SimulatedFields,
    exposure: FieldExposure,
    files: MicrographFiles,
    numbers: Sequence[int],
    options: CryoGEMGenerate,
) -> None:
    """Those of some numbers that are not there yet, each whole."""
    missing = files.missing(numbers)

    def make(place: int) -> None:
        number = missing[place]
        image, mask = data.micrograph(number, exposure)
        seen = flattened(image, FLAT * 2 * data.population.radius / data.pixel_size)
        chance = numbered_generator(stable_seed(options.seed, "noise"), number)
        files.write_images(number, method.translate_field(seen, chance), mask)

    workers = options.workers or (MOST_WORKERS if method.device.type == "cpu" else 1)
    with progress_bar("micrographs", len(numbers)) as advance:
        advance(len(numbers) - len(missing))
        for _ in in_order(make, len(missing), workers):
            advance(1)


def _write_tables(data: SimulatedFields, files: MicrographFiles, options: SimulateMicrographs) -> None:
    """The tables, if nothing is missing."""
    if missing := len(files.missing(range(options.count))):
        print(f"{options.out}: {missing} micrographs are other jobs' to make; the last of them writes the tables")
        return
    every = [data.labels(number) for number in range(options.count)]
    try:
        lock = hold_folder(options.out, "_tables")
    except ValueError:
        print(f"{options.out}: all micrographs are there, and another job is writing the tables")
        return
    with lock:
        files.write_labels(every)
    print(f"{options.out}: {told_count(options, every)}")


def load(run: Path, device: torch.device) -> CryoGEM:
    """The translator of a run as its newest checkpoint has it; ValueError for what is no such run."""
    return load_learnt(run, lambda config: CryoGEM(CryoGEMConfig(**config["learning"]), 0), device, "cryogem train")
