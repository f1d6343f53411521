"""What CryoETGAN's subtomograms teach, beside its physics alone, the simulator of Pei et al., and real ones.

    python benchmarks/cryoetgan.py [--seeds 0 1 2] [--each 400] [--box 32] [--steps 1200] [--folder build/cryoetgan]

The real ones are made by a physics that the trainer is told nothing of: other noise, lenses, doses and tilts than its
defaults. What is done stands in benchmarks/results/cryoetgan.jsonl and is not done again; the table goes to
benchmarks/results/cryoetgan_<hardware>_<date>.md.
"""

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from commands import frazil
from results_file import RESULTS, heading, markdown_table, write_results

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
KNOWN = ("maps_5A/4v7r.mrc", "maps_5A/4cr2.mrc", "models/5a1a.cif.gz")
UNSEEN = ("models/3j9i.pdb.gz", "models/2cg9.pdb.gz")
"""Structures that no translator is shown."""
HIDDEN = "--snr-db {snr} --tilt-range -56 60 --tilt-step 2 --dose-per-tilt 2 --defocus 25000 60000 --shift-percent 4"
"""How the real ones are taken."""
OURS, PHYSICS, PEI = "generated", "physics", "pei"
NOTE = """Accuracy on {count} real subtomograms of a classifier that was taught by each kind alone ({count} of each),
mean of seeds (and the worst); what share of each kind the real ones' classifier names as labelled; density and
coverage on its features. The second real draw is what real labels teach. Real ones: {snr:g} dB, {box} voxels of 12 A,
tilts from -56 to 60 degrees, made by a physics that the trainer was not told; it saw {count} more of them, without
labels. Classes: 80S (4v7r), 26S proteasome (4cr2), beta-galactosidase (5a1a), membrane; unseen ones: 20S proteasome
(3j9i), Hsp90 (2cg9). Fitted, simulated and trained for {steps} steps in {minutes:.0f} minutes."""


@dataclass(frozen=True)
class Study:
    """One seed."""

    folder: Path
    seed: int
    each: int
    box: int
    snr: float
    steps: int

    def simulate(self, name: str, models: list[str], count: int, how: str, seed: int) -> Path:
        """Subtomograms of some models."""
        out = self.folder / name
        words = f"--count {count} --box {self.box} --pixel-size 12 --seed {seed} {how}"
        frazil(self.folder, "simulate", "subtomograms", *models, "--out", str(out), *words.split())
        return out / "particles.star"

    def measure(self) -> dict[str, Any]:
        """All of it."""
        models, unseen = ([str(SHARED / name) for name in names] for names in (KNOWN, UNSEEN))
        models.append("membrane")
        half = self.each * len(models) // 2
        noise = self.folder / "noise.txt"
        self.folder.mkdir(parents=True, exist_ok=True)
        noise.write_text("0 5\n0.005 3.5\n0.01 2\n0.02 1.2\n0.03 1\n0.045 0.9\n")
        hidden = f"{HIDDEN.format(snr=self.snr)} --noise {noise}"
        real = self.simulate("real", models, 2 * half, hidden, 100 + self.seed)
        unlabelled = self.simulate("real to learn from", models, half, hidden, 150 + self.seed)
        began, run = time.monotonic(), self.folder / "run"
        learning = f"--steps {self.steps} --seed {self.seed}"
        frazil(
            self.folder,
            "cryoetgan",
            "train",
            str(unlabelled.parent / "subtomograms"),
            *models,
            "--out",
            str(run),
            *learning.split(),
        )
        minutes = (time.monotonic() - began) / 60
        fitted = json.loads((run / "match.json").read_text())["figures"]
        tilts = f"--tilt-range {fitted['first_tilt']} {fitted['last_tilt']}"
        alike = f"{tilts} --snr-db {fitted['snr_db']}"
        kinds = {
            OURS: self._generated(run, "generated", half),
            PHYSICS: self.simulate(PHYSICS, models, half, f"{alike} --noise {run / 'noise.txt'}", 200 + self.seed),
            PEI: self.simulate(PEI, models, half, f"{alike} --mode pei", 300 + self.seed),
        }
        found = self._evaluated("worth", real, list(kinds.values()))
        count = self.each * len(unseen)
        other_real = self.simulate("unseen real", unseen, count, hidden, 400 + self.seed)
        others = [self._generated(run, "unseen generated", count // 2, unseen)]
        others.append(self.simulate("unseen pei", unseen, count // 2, f"{alike} --mode pei", 500 + self.seed))
        other = self._evaluated("worth of unseen", other_real, others)
        return {"minutes": minutes, "fitted": fitted, "figures": found, "unseen": other}

    def _generated(self, run: Path, name: str, count: int, models: list[str] | None = None) -> Path:
        out = self.folder / name
        more = ["--models", *models] if models else []
        frazil(self.folder, "cryoetgan", "generate", str(run), "--out", str(out), "--count", str(count), *more)
        return out / "particles.star"

    def _evaluated(self, name: str, real: Path, kinds: list[Path]) -> dict[str, dict[str, float]]:
        out = self.folder / name
        words = ["evaluate", "subtomograms", str(real), *map(str, kinds), "--out", str(out), "--seed", str(self.seed)]
        frazil(self.folder, *words)
        return json.loads((out / "figures.json").read_text())["subtomograms"]


SHOWN = (
    "teaches",
    "is told",
    "density (features)",
    "coverage (features)",
    "density (voxels)",
    "spectrum, in the wedge",
)


def table(rows: list[dict[str, Any]], part: str) -> str:
    """A row for each kind: mean of seeds, and the worst accuracy."""
    kinds = list(rows[0][part])
    lines = []
    for kind in kinds:
        cells = []
        for name in SHOWN:
            values = [row[part][kind][name] for row in rows if row[part][kind][name] is not None]
            worst = f" ({min(values):.3f})" if values and name in SHOWN[:2] else ""
            cells.append(f"{statistics.mean(values):.3f}{worst}" if values else "-")
        lines.append([kind, *cells])
    return markdown_table(["kind", *SHOWN], lines)


def main() -> None:
    """Measure each seed that has no row yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--each", type=int, default=400)
    parser.add_argument("--box", type=int, default=32)
    parser.add_argument("--snr-db", type=float, default=-16.0)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--folder", type=Path, default=Path("build/cryoetgan"))
    given = parser.parse_args()
    ledger = RESULTS / "cryoetgan.jsonl"
    rows = [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []
    asked = {"each": given.each, "box": given.box, "snr": given.snr_db, "steps": given.steps}
    for seed in given.seeds:
        key = {**asked, "seed": seed}
        if not any(key.items() <= row.items() for row in rows):
            study = Study(given.folder / "_".join(map(str, key.values())), seed, *asked.values())
            rows.append({**key, **study.measure()})
            with ledger.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    own = [row for row in rows if asked.items() <= row.items() and row["seed"] in given.seeds]
    minutes = statistics.mean(row["minutes"] for row in own)
    told = NOTE.format(count=2 * given.each, snr=given.snr_db, box=given.box, steps=given.steps, minutes=minutes)
    cpu = torch.device("cpu")
    tables = f"{table(own, 'figures')}\n\nUnseen structures:\n\n{table(own, 'unseen')}"
    text = f"{heading('CryoETGAN', cpu)}\n{told}\n\n{tables}\n"
    print(text)
    print(write_results("cryoetgan", cpu, text))


if __name__ == "__main__":
    main()
