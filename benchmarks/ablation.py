"""What each choice of CryoGAN's recipe is worth: resolution against the truth at equal wall time.

Each run reconstructs both halves of a simulated data set. A variant takes as many steps as it has time for while the
default takes `--steps` at 32 px: the ratio of their times per step is measured in turns, in one process.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from measuring import FIGURES, Ledger, measured
from results_file import heading, markdown_table
from variants import (
    BestOfThree,
    CoarseFirst,
    NewestCritic,
    Preconditioned,
    SeveralNoises,
    SignalFromOne,
    TimesTheLens,
    ToldTheLens,
    WhiteNoise,
    real_batches,
    run_story,
)

from frazil.data import HalfSets
from frazil.methods import StepContext
from frazil.methods.cryogan import CryoGAN, CryoGANConfig, HalfReconstruction, method, published_recipe
from frazil.recipes import cryogan
from frazil.recipes.running.particle_run import open_run
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
    half: type[HalfReconstruction] = HalfReconstruction

    def in_place(self) -> Any:
        """While this context lasts, reconstructions are of this kind."""
        places = ExitStack()
        places.enter_context(mock.patch.object(method, "HalfReconstruction", self.half))
        places.enter_context(mock.patch.object(cryogan, "real_batches", real_batches))
        places.enter_context(mock.patch.object(cryogan, "RunStory", run_story))
        return places


def _without(view: str) -> Variant:
    return Variant({"views": tuple(each for each in CryoGANConfig().views if each != view)})


NOT_THE_RECIPES = {"symmetry", "boxes", "steps"}  # but the specimen's and the budget's
PAPER = {name: value for name, value in vars(published_recipe(BASE, 5000)).items() if name not in NOT_THE_RECIPES}
VARIANTS = {
    "default": Variant(),
    "phases not flipped": _without("phase-flip"),
    "whole spectrum": _without("disc"),
    "no circle": _without("soft-circle"),
    "no turns and flips": _without("dihedral"),
    "signal's scale from 1": Variant(half=SignalFromOne),
    "penalty of every image": Variant({"penalty_stride": 1}),
    "penalty of weight 0.06": Variant({"penalty_weight": 0.06}),
    "penalty of weight 0.6": Variant({"penalty_weight": 0.6}),
    "Wasserstein": Variant({"adversary": "wasserstein", "penalty_weight": 4.0}),
    "Wasserstein, per pixel": Variant({"adversary": "wasserstein-per-pixel", "penalty_weight": 4.0 * BASE**2}),
    "batch 16": Variant({"batch_sizes": (16,)}),
    "batch 64": Variant({"batch_sizes": (64,)}),
    "1 critic step": Variant({"critic_steps": 1}),
    "2 critic steps": Variant({"critic_steps": 2}),
    "8 critic steps": Variant({"critic_steps": 8}),
    "critic of 8 channels": Variant({"critic_width": 8}),
    "critic of 32 channels": Variant({"critic_width": 32}),
    "last iterate": Variant({"averaging": 0.0}),
    "no shrinkage": Variant({"shrinkage": 0.0}),
    "volume rate 0.015": Variant({"volume_rate": 0.015}),
    "volume rate 0.06": Variant({"volume_rate": 0.06}),
    "critic rate 1e-3": Variant({"critic_rate": 1e-3}),
    "critic rate 4e-3": Variant({"critic_rate": 4e-3}),
    "rates fall to 0.2": Variant({"final_rate": 0.2}),
    "blur that fades": Variant({"smoothing": 1.0}),
    "noise spectrum and shifts learnt": Variant({"conditions": "learnt"}),
    "white noise": Variant(half=WhiteNoise),
    "critic told the CTF": Variant(half=ToldTheLens),
    "best of three starts": Variant(half=BestOfThree),
    "4 noises for a projection": Variant(half=SeveralNoises),
    "times the CTF": Variant(half=TimesTheLens),
    "finer shells faster": Variant(half=Preconditioned),
    "coarser shells faster": Variant(half=CoarseFirst),
    "24 px, then 32": Variant(boxes={24: 0.4, 32: 0.6}),
    "32 px, then 48": Variant(boxes={32: 0.6, 48: 0.4}),
    "32 px, then 48, one critic": Variant(boxes={32: 0.6, 48: 0.4}, half=NewestCritic),
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
        shape = {"boxes": boxes, "steps": steps or (1,) * len(boxes)}
        changes = {**shape, **variant.changes}
        data, length = self.data(folder), "+".join(map(str, shape["steps"]))
        return cryogan.CryoGANRun(
            data.out / "particles.star",
            out=folder / "runs" / f"{self.variant} {self.specimen} {self.seed} {length}".replace(" ", "_"),
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
    half_sets = HalfSets(opened.particles, options.seed)
    batch_size = options.learning.batch_sizes[0]
    config = replace(options.learning, boxes=(box,), steps=(10**6,), batch_sizes=(batch_size,))
    config = replace(config, conditions="given" if config.conditions == "auto" else config.conditions)
    method = CryoGAN(config, cryogan.conditions(half_sets, None, options, config), opened.support)
    return lambda: _updates(method, half_sets)


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
        with VARIANTS[job.variant].in_place():
            own = seconds_per_step(job.options(folder), box)
        ratio = statistics.median(own() / base() for _ in range(ROUNDS))
        allotted.append(max(1, round(share * steps / ratio)))
    return tuple(allotted)


def reconstruct(job: Job, folder: Path, steps: int) -> dict[str, Any]:
    """Simulate, reconstruct, and measure."""
    simulate_particles(job.data(folder))
    options = job.options(folder, steps_at_equal_time(job, folder, steps))
    with VARIANTS[job.variant].in_place():
        found = measured(job.data(folder), options)
    return {**vars(job), "budget": steps, "steps": options.learning.steps, **found}


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
0.5 and 0.143, of each half against it (their mean), and of the half maps against each other. A budget is the time that
the default takes for that many steps at 32 px, both halves side by side."""


def run(folder: Path, variants: Sequence[str], specimens: Sequence[str], seeds: Sequence[int], steps: int) -> str:
    """The page: what was not done yet is done first."""
    ledger = Ledger("ablation")
    for job in itertools.starmap(Job, itertools.product(variants, specimens, seeds)):
        ledger.fill({**vars(job), "budget": steps}, lambda job=job: reconstruct(job, folder, steps))
    return f"{heading('Quality', torch.device('cpu'))}\n{NOTE}\n\n{table(ledger.rows)}\n"
