"""What each choice of CryoGAN's recipe is worth: resolution against the truth at equal wall time.

    python benchmarks/quality.py [--variants default "batch 64"] [--specimens 5a1a] [--seeds 0 1 2] [--steps 2000]

Each run reconstructs both halves of a simulated data set. A variant takes as many steps as it has time for while the
default takes `--steps` at 32 px: the ratio of their times per step is measured in turns, in one process. What is done
stands in FOLDER/results.jsonl and is not done again; the table of all of it goes to
benchmarks/results/quality_<hardware>_<date>.md.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from results_file import heading, markdown_table, write_results

from frazil.data import HalfSets
from frazil.io import read_map
from frazil.methods import StepContext
from frazil.methods.cryogan import CryoGAN, CryoGANConfig, published_recipe
from frazil.metrics import align_to_grid, fourier_shell_correlation
from frazil.recipes import cryogan
from frazil.recipes.particle_run import open_run
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
BASE = 32  # px, at which the default's step is the unit of time
ROUNDS, UPDATES = 3, 4  # in which the default and a variant are timed in turns


@dataclass(frozen=True)
class Specimen:
    """Images to reconstruct without symmetry, and the particle's diameter in angstrom."""

    images: Callable[[Path, int], SimulateParticles]
    """From a folder and a seed."""
    diameter: float


def _pseudo_protein(out: Path, seed: int) -> SimulateParticles:
    return SimulateParticles("pseudo-protein", out, box=32, pixel_size=6.0, count=10_000, snr_db=-5.0, seed=seed)


def _beta_galactosidase(out: Path, seed: int) -> SimulateParticles:
    ctf = str(SHARED / "betagal_empiar10061" / "micrographs_ctf_1539.star")
    return SimulateParticles(str(SHARED / "models" / "5a1a.cif.gz"), out, ctf=ctf, seed=seed)


def _ribosome(out: Path, seed: int) -> SimulateParticles:
    ctf, model = SHARED / "ctf_tables" / "empiar10028_80S_ctf.npy", SHARED / "maps_5A" / "4v7r.mrc"
    return SimulateParticles(str(model), out, pixel_size=6.0, shift_percent=5.0, ctf=str(ctf), seed=seed)


SPECIMENS = {
    "pseudo-protein": Specimen(_pseudo_protein, 115.0),
    "5a1a": Specimen(_beta_galactosidase, 190.0),
    "80S": Specimen(_ribosome, 320.0),
}


@dataclass(frozen=True)
class Variant:
    """Choices that differ from the default's, and how the time is shared among its boxes."""

    changes: dict[str, Any] = field(default_factory=dict)
    boxes: dict[int, float] = field(default_factory=lambda: {BASE: 1.0})


VIEWS = CryoGANConfig().views
NOT_THE_RECIPES = {"symmetry", "boxes", "steps"}  # but the specimen's and the budget's
PAPER = {name: value for name, value in vars(published_recipe(BASE, 5000)).items() if name not in NOT_THE_RECIPES}
VARIANTS = {
    "default": Variant(),
    "phases not flipped": Variant({"views": VIEWS[1:]}),
    "no circle": Variant({"views": (VIEWS[0], VIEWS[2])}),
    "no turns and flips": Variant({"views": VIEWS[:2]}),
    "penalty of every image": Variant({"penalty_stride": 1}),
    "penalty of weight 1": Variant({"penalty_weight": 1.0}),
    "penalty per pixel": Variant({"penalty": "per-pixel", "penalty_weight": 4.0 * BASE**2}),
    "penalty R1 + R2": Variant({"penalty": "zero-centred"}),
    "batch 16": Variant({"batch_sizes": (16,)}),
    "batch 64": Variant({"batch_sizes": (64,)}),
    "2 critic steps": Variant({"critic_steps": 2}),
    "critic of 8 channels": Variant({"critic_width": 8}),
    "critic of 24 channels": Variant({"critic_width": 24}),
    "last iterate": Variant({"averaging": 0.0}),
    "no shrinkage": Variant({"shrinkage": 0.0}),
    "volume rate 0.03": Variant({"volume_rate": 0.03}),
    "volume rate 0.12": Variant({"volume_rate": 0.12}),
    "critic rate 5e-4": Variant({"critic_rate": 5e-4}),
    "rates fall to 0.2": Variant({"final_rate": 0.2}),
    "blur that fades": Variant({"smoothing": 1.0}),
    "noise spectrum and shifts learnt": Variant({"conditions": "learnt"}),
    "24 px, then 32": Variant(boxes={24: 0.4, 32: 0.6}),
    "32 px, then 48": Variant(boxes={32: 0.6, 48: 0.4}),
    "paper": Variant(PAPER),
}


@dataclass(frozen=True)
class Job:
    """One variant on one specimen with one seed."""

    variant: str
    specimen: str
    seed: int

    def options(self, folder: Path, steps: tuple[int, ...] = ()) -> cryogan.CryoGANRun:
        """The command that reconstructs it."""
        variant, specimen = VARIANTS[self.variant], SPECIMENS[self.specimen]
        boxes = tuple(variant.boxes)
        shape = {"boxes": boxes, "steps": steps or (1,) * len(boxes), "batch_sizes": (32,) * len(boxes)}
        changes = {**shape, **variant.changes}
        data = self.data(folder)
        return cryogan.CryoGANRun(
            data.out / "particles.star",
            out=folder / "runs" / f"{self.variant} {self.specimen} {self.seed}".replace(" ", "_"),
            contrast="light",
            diameter=specimen.diameter,
            shift_percent=data.shift_percent,
            seed=self.seed,
            learning=replace(CryoGANConfig(), **changes),
            given=tuple(changes),
        )

    def data(self, folder: Path) -> SimulateParticles:
        """Its images."""
        return SPECIMENS[self.specimen].images(folder / "data" / f"{self.specimen}_{self.seed}", self.seed)


def seconds_per_step(options: cryogan.CryoGANRun, box: int) -> Callable[[], float]:
    """A stopwatch for some updates of both halves at one box."""
    opened = open_run(options)
    batch_size = options.learning.batch_sizes[0]
    config = replace(options.learning, boxes=(box,), steps=(10**6,), batch_sizes=(batch_size,))
    config = replace(config, conditions="given" if config.conditions == "auto" else config.conditions)
    method = CryoGAN(config, cryogan.conditions(opened.half_sets, None, options, config), opened.support)
    return lambda: _updates(method, opened.half_sets)


def _updates(method: CryoGAN, half_sets: HalfSets) -> float:
    draw = cryogan.real_batches(half_sets, method)
    method.update(draw(_context(0)), _context(0))
    began = time.perf_counter()
    for step in range(1, UPDATES + 1):
        method.update(draw(_context(step)), _context(step))
    return (time.perf_counter() - began) / UPDATES


def _context(step: int) -> StepContext:
    return StepContext(step, 0, torch.device("cpu"))


def steps_at_equal_time(job: Job, folder: Path, steps: int) -> tuple[int, ...]:
    """How many steps a variant has time for at each of its boxes, while the default takes `steps` at the base."""
    if job.variant == "default":
        return (steps,)
    base = seconds_per_step(replace(job, variant="default").options(folder), BASE)
    allotted = []
    for box, share in VARIANTS[job.variant].boxes.items():
        own = seconds_per_step(job.options(folder), box)
        ratio = statistics.median(own() / base() for _ in range(ROUNDS))
        allotted.append(max(1, round(share * steps / ratio)))
    return tuple(allotted)


def reconstruct(job: Job, folder: Path, steps: int) -> dict[str, Any]:
    """Simulate, reconstruct, and measure; nothing before the last lines sees the truth."""
    simulate_particles(job.data(folder))
    options = job.options(folder, steps_at_equal_time(job, folder, steps))
    began = time.monotonic()
    cryogan.run(options)
    minutes = (time.monotonic() - began) / 60
    first, second, found = (read_map(options.out / f"{name}.mrc") for name in ("half1", "half2", "map"))
    half = fourier_shell_correlation(first.volume, second.volume, first.pixel_size).resolution(0.143)
    truth = read_map(job.data(folder).out / "truth.mrc")
    aligned, _ = align_to_grid(found.volume, found.pixel_size, truth.volume, truth.pixel_size)
    fsc = fourier_shell_correlation(aligned, truth.volume, truth.pixel_size)
    figures = {"half": half, "truth_half": fsc.resolution(0.5), "truth": fsc.resolution(0.143)}
    return {**vars(job), "budget": steps, "steps": options.learning.steps, "minutes": round(minutes, 2), **figures}


FIGURES = {"truth_half": "truth 0.5", "truth": "truth 0.143", "half": "half 0.143"}


def table(done: list[dict[str, Any]]) -> str:
    """A row for each variant: worst and median seed of each specimen, in angstrom."""
    specimens = [name for name in SPECIMENS if any(row["specimen"] == name for row in done)]
    header = ["variant", "budget", *(f"{name}: {figure}" for name in specimens for figure in FIGURES.values()), "seeds"]
    kinds = dict.fromkeys((row["variant"], row["budget"]) for row in done)
    return markdown_table(header, [_row(kind, specimens, done) for kind in kinds])


def _row(kind: tuple[str, int], specimens: list[str], done: list[dict[str, Any]]) -> list[str]:
    own = [row for row in done if (row["variant"], row["budget"]) == kind]
    cells, seeds = [], []
    for specimen in specimens:
        rows = [row for row in own if row["specimen"] == specimen]
        seeds.append(str(len(rows)))
        for name in FIGURES:
            values = [row[name] for row in rows]
            cells.append(f"{max(values):.1f} ({statistics.median(values):.1f})" if values else "-")
    return [kind[0], str(kind[1]), *cells, "/".join(seeds)]


NOTE = """Resolution in angstrom, the worst seed's and in brackets the median one's: of the map against the truth at FSC
0.5 and 0.143, and of the half maps against each other. A budget is the time that the default takes for that many steps
at 32 px, both halves side by side."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--specimens", nargs="+", choices=SPECIMENS, default=list(SPECIMENS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--folder", type=Path, default=Path("build/quality"))
    options = parser.parse_args()
    results = options.folder / "results.jsonl"
    options.folder.mkdir(parents=True, exist_ok=True)
    done = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    known = {(row["variant"], row["specimen"], row["seed"], row["budget"]) for row in done}
    for job in itertools.starmap(Job, itertools.product(options.variants, options.specimens, options.seeds)):
        if (*vars(job).values(), options.steps) in known:
            continue
        done.append(reconstruct(job, options.folder, options.steps))
        with results.open("a") as file:
            file.write(json.dumps(done[-1]) + "\n")
    text = f"{heading('Quality', torch.device('cpu'))}\n{NOTE}\n\n{table(done)}\n"
    print(f"\n{text}\n{write_results('quality', torch.device('cpu'), text)}")


if __name__ == "__main__":
    main()
