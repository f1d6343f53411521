"""What CryoETGAN's subtomograms teach, beside its physics alone, the simulator of Pei et al., and real ones.

    python benchmarks/cryoetgan.py [--seeds 0 1 2] [--each 400] [--box 32] [--snr-db -18] [--steps 1200]
        [--folder build/cryoetgan]
    python benchmarks/cryoetgan.py --ablate --each 200 --box 24 --snr-db -6     # the paper's choices

The real ones are made by a physics that the trainer is told nothing of: other noise, lenses, doses and tilts than its
defaults. What is done stands in benchmarks/results/cryoetgan.jsonl and is not done again; the table goes to
benchmarks/results/cryoetgan_<hardware>_<date>.md.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from commands import frazil
from results_file import RESULTS, heading, markdown_table, write_results
from same_noise import in_same_noise

from frazil.io import read_tables, write_tables
from frazil.recipes.cryoetgan import read_simulation
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, simulate_subtomograms

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
KNOWN = ("maps_5A/4v7r.mrc", "maps_5A/4cr2.mrc", "maps_10A/4v94_one_TRiC.mrc")
UNSEEN = ("models/3j9i.pdb.gz", "models/2cg9.pdb.gz")
"""Structures that no translator is shown."""
SHOWN_MODELS = [*(str(SHARED / model) for model in KNOWN), "membrane"]
UNSEEN_MODELS = [str(SHARED / model) for model in UNSEEN]
HIDDEN = "--snr-db {snr} --tilt-range -56 60 --tilt-step 2 --dose-per-tilt 2 --defocus 25000 60000 --shift-percent 4"
"""How the real ones are taken."""
ABLATION = {
    "density noise 0": "--adversary wasserstein --density-noise 0",
    "density noise 0.2": "--adversary wasserstein --density-noise 0.2",
    "density noise 0.5": "--adversary wasserstein --density-noise 0.5",
    "Wasserstein alone": "--adversary wasserstein --critic-norm none",
    "spectral norm alone": "--adversary least-squares",
    "neither": "--adversary least-squares --critic-norm none",
}
"""Options beside the paper's; both Wasserstein and spectral norm, with noise of 0.2, is the paper's choice."""
PAPER = "--start density --keep cycle --optimizer rmsprop --precision bf16-mixed --rate 5e-4 --ema-decay 0.98"
"""From bare densities there and back; the last two are what small networks need, to come to something in few steps."""
OURS, PHYSICS, PEI, PEI_TOLD = "generated", "physics", "pei", "pei, told our fit"
RELEASED = "--mode pei --tilt-range -60 60 --snr-db -13 --defocus 50000 50000"
"""The simulator of Pei et al. as the paper's authors release it: a wedge of 30 degrees, a ratio of 0.05, 5 microns."""
NOTE = """TSTR: accuracy on {count} real subtomograms of a classifier that was taught by each kind alone ({count} of
each), mean of seeds (and the worst); TRTS: what share of each kind the real ones' classifier, taught by {count}
others, names as labelled; class kept: what share shows the density of its class, in its pose and outside the wedge,
better than any other's; density and coverage on features. The second real draw is what real labels teach. Real
ones: {snr:g} dB, {box} voxels of {pixel:g} A, tilts from -56 to 60 degrees, made by a physics that the trainer was
not told; it saw {count} more of them, without labels. Classes: 80S (4v7r), 26S proteasome (4cr2), TRiC (4v94),
membrane; unseen ones: 20S proteasome (3j9i), Hsp90 (2cg9). Translators learnt for {steps} steps."""
PEI_NOTE = """ Pei et al.'s simulator is as released (wedge,
lens and strength of its own) or is told the tilts, the lens and the strength that ours has measured."""
PAPER_NOTE = """ All start from bare densities, and
have our small networks and the paper's cycle and optimizer; with Wasserstein and spectral norm, noise of 0.2."""


@dataclass(frozen=True)
class Study:
    """One seed."""

    folder: Path
    seed: int
    each: int
    box: int
    snr: float
    steps: int

    @property
    def count(self) -> int:
        """Subtomograms of the known structures that each kind has."""
        return self.each * len(SHOWN_MODELS)

    def measure(self) -> dict[str, Any]:
        """What each kind teaches, of the structures that the translator was shown and of others."""
        real, unlabelled = self._real()
        began = time.monotonic()
        run = self._learnt("run", unlabelled, "")
        minutes = (time.monotonic() - began) / 60
        fitted = json.loads((run / "match.json").read_text())["figures"]
        ours = read_simulation(run)
        told = {PHYSICS: ours, PEI_TOLD: replace(ours, mode="pei", noise="white", correction="phase-flip")}
        kinds, unseen = [self._generated(run, OURS, self.count)], []
        unseen.append(self._generated(run, f"{OURS} unseen", self.count // 2, UNSEEN_MODELS))
        for place, (name, simulation) in enumerate(told.items(), 2):
            kinds.append(self._made(name, replace(simulation, count=self.count, seed=100 * place + self.seed)))
            unseen.append(renumbered(self._made(f"{name} unseen", self._of_unseen(simulation, 100 * place + 50))))
        kinds.append(self._simulated(PEI, SHOWN_MODELS, self.count, RELEASED, 400))
        unseen.append(renumbered(self._simulated(f"{PEI} unseen", UNSEEN_MODELS, self.count // 2, RELEASED, 450)))
        found = self._evaluated("worth", known(real), kinds)
        other = self._evaluated("worth of unseen", others(real), unseen)
        return {"minutes": minutes, "fitted": fitted, "figures": found, "unseen": other}

    def ablate(self) -> dict[str, Any]:
        """What the paper's choices teach, by small networks from bare densities there and back."""
        real, unlabelled = self._real()
        kinds = []
        for name, words in ABLATION.items():
            run = self._learnt(f"run, {name}", unlabelled, f"{PAPER} {words}")
            kinds.append(self._generated(run, name, self.count))
        return {"figures": self._evaluated("worth of choices", known(real), kinds)}

    def _real(self) -> tuple[Path, Path]:
        """Real ones of all structures, labelled, and others of the known ones, which are learnt from without labels."""
        self.folder.mkdir(parents=True, exist_ok=True)
        noise = self.folder / "noise.txt"
        noise.write_text("0 5\n0.005 3.5\n0.01 2\n0.02 1.2\n0.03 1\n0.045 0.9\n")
        hidden = f"{HIDDEN.format(snr=self.snr)} --noise {noise}"
        models = [*SHOWN_MODELS, *UNSEEN_MODELS]
        total = 3 * self.count * len(models) // len(SHOWN_MODELS)
        real = self._simulated("real", models, total, hidden, 100)
        total = self.count * len(models) // len(SHOWN_MODELS)
        return real, known(self._simulated("real to learn from", models, total, hidden, 150))

    def _of_unseen(self, simulation: SimulateSubtomograms, seed: int) -> SimulateSubtomograms:
        """The same of other structures, in the same noise, beside which they are weaker or stronger."""
        other = replace(simulation, models=tuple(UNSEEN_MODELS), count=self.count // 2, seed=seed + self.seed)
        return in_same_noise(other, simulation)

    def _made(self, name: str, simulation: SimulateSubtomograms) -> Path:
        """Subtomograms of a simulation that was fitted."""
        simulate_subtomograms(replace(simulation, out=self.folder / name))
        return self.folder / name / "particles.star"

    def _simulated(self, name: str, models: Sequence[str], count: int, how: str, seed: int) -> Path:
        """Subtomograms of some structures, in turns."""
        out = self.folder / name
        size = f"--box {self.box} --pixel-size {pixel_size(self.box):g}"
        words = f"--count {count} {size} --seed {seed + self.seed} {how}"
        frazil(self.folder, "simulate", "subtomograms", *models, "--out", str(out), *words.split())
        return out / "particles.star"

    def _learnt(self, name: str, unlabelled: Path, words: str) -> Path:
        out = self.folder / name
        how = f"--steps {self.steps} --seed {self.seed} {words}"
        frazil(self.folder, "cryoetgan", "train", str(unlabelled), *SHOWN_MODELS, "--out", str(out), *how.split())
        return out

    def _generated(self, run: Path, name: str, count: int, models: Sequence[str] = ()) -> Path:
        out = self.folder / name
        words = ["--count", str(count), "--seed", str(1000 + self.seed), *(["--models", *models] if models else [])]
        frazil(self.folder, "cryoetgan", "generate", str(run), "--out", str(out), *words)
        return out / "particles.star" if not models else renumbered(out / "particles.star")

    def _evaluated(self, name: str, real: Path, kinds: list[Path]) -> dict[str, dict[str, float]]:
        out = self.folder / name
        words = ["--out", str(out), "--seed", str(self.seed), "--models", *SHOWN_MODELS, *UNSEEN_MODELS]
        frazil(self.folder, "evaluate", "subtomograms", str(real), *map(str, kinds), *words)
        return json.loads((out / "figures.json").read_text())["subtomograms"]


def pixel_size(box: int) -> float:
    """Angstrom, at which an 80S ribosome has room in a box."""
    return 12.0 if box >= 32 else 384.0 / box


def known(table: Path) -> Path:
    """The rows of a table that show structures which a translator is shown."""
    return _rows(table, "known", lambda number: number <= len(KNOWN) + 1, 0)


def others(table: Path) -> Path:
    """The others."""
    return _rows(table, "others", lambda number: number > len(KNOWN) + 1, 0)


def renumbered(table: Path) -> Path:
    """A table of the others alone, whose classes are numbered as beside the known ones."""
    return _rows(table, "renumbered", lambda number: number > 0, len(KNOWN) + 1)


def _rows(table: Path, name: str, kept: Callable[[Any], Any], more: int) -> Path:
    tables = read_tables(table)
    rows = tables["particles"]
    rows = rows[kept(rows["rlnClassNumber"])]
    file = table.with_name(f"{name}.star")
    write_tables(file, {**tables, "particles": rows.assign(rlnClassNumber=rows["rlnClassNumber"] + more)})
    return file


SHOWN = (
    "TSTR",
    "TRTS",
    "class kept",
    "density (features)",
    "coverage (features)",
    "FID",
    "spectrum, across the beam",
    "spectrum, in the wedge",
)


PUBLISHED = ("similarity", "precision (voxels)", "recall (voxels)", "density (voxels)", "coverage (voxels)", "TSTR")
"""The columns of the paper's table, beside which empty volumes score as well as real ones."""


def table(rows: list[dict[str, Any]], part: str, shown: Sequence[str] = SHOWN) -> str:
    """A row for each kind: mean of seeds, and the worst accuracy."""
    kinds = list(rows[0][part])
    lines = []
    for kind in kinds:
        cells = []
        for name in shown:
            values = [row[part][kind][name] for row in rows if row[part][kind][name] is not None]
            worst = f" ({min(values):.3f})" if values and name in SHOWN[:3] else ""
            cells.append(f"{statistics.mean(values):.3f}{worst}" if values else "-")
        lines.append([kind, *cells])
    return markdown_table(["kind", *shown], lines)


def main() -> None:
    """Measure each seed that has no row yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--each", type=int, default=400)
    parser.add_argument("--box", type=int, default=32)
    parser.add_argument("--snr-db", type=float, default=-18.0)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--folder", type=Path, default=Path("build/cryoetgan"))
    parser.add_argument("--ablate", action="store_true", help="the paper's choices instead")
    given = parser.parse_args()
    ledger = RESULTS / "cryoetgan.jsonl"
    rows = [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []
    asked = {"each": given.each, "box": given.box, "snr": given.snr_db, "steps": given.steps, "ablate": given.ablate}
    for seed in given.seeds:
        key = {**asked, "seed": seed}
        if not any(key.items() <= row.items() for row in rows):
            name = "_".join(map(str, key.values()))
            study = Study(given.folder / name, seed, given.each, given.box, given.snr_db, given.steps)
            rows.append({**key, **(study.ablate() if given.ablate else study.measure())})
            with ledger.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    own = [row for row in rows if asked.items() <= row.items() and row["seed"] in given.seeds]
    what = "cryoetgan_ablation" if given.ablate else "cryoetgan"
    told = NOTE.format(
        count=len(SHOWN_MODELS) * given.each,
        snr=given.snr_db,
        box=given.box,
        pixel=pixel_size(given.box),
        steps=given.steps,
    )
    told += PAPER_NOTE if given.ablate else PEI_NOTE
    text = f"{heading('CryoETGAN', torch.device('cpu'))}\n{told}\n\n{table(own, 'figures')}\n"
    text += f"\nThe paper's columns:\n\n{table(own, 'figures', PUBLISHED)}\n"
    if not given.ablate:
        minutes = statistics.mean(row["minutes"] for row in own)
        text += (
            f"\nFitted, simulated and learnt in {minutes:.0f} minutes. Unseen structures:\n\n{table(own, 'unseen')}\n"
        )
    print(text)
    print(write_results(what, torch.device("cpu"), text))


if __name__ == "__main__":
    main()
