"""Pickers that never saw a label: CryoGEM's micrographs beside CUT's, simulated noise, and real labels.

    python benchmarks/cryogem.py --real MICROGRAPHS --coordinates FILE --model MODEL --ctf FILE.star --pixel-size 1.5
        --learn-from 6 [--seeds 0 1 2] [--steps 3000] [--kinds CryoGEM CUT ...] [--words "--resolution 20"]
        [--folder build/cryogem]

The first micrographs are learnt from, without their coordinates; the others judge. What is done stands in
benchmarks/results/cryogem.jsonl and is not done again. Tables go to benchmarks/results/cryogem_<hardware>_<date>.md.
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from commands import frazil
from label_integrity import hallucination_rate, strength_kept
from results_file import RESULTS, heading, markdown_table, write_results

from frazil.data.lens_tables import read_ctf_rows
from frazil.inference.particle_count import particle_count
from frazil.io import read_tables, write_tables
from frazil.io.micrographs import find_micrographs
from frazil.methods.cryogem import PUBLISHED_LENS
from frazil.recipes.cryogem import read_simulation
from frazil.recipes.fitting.match_micrographs import measure_simulated
from frazil.recipes.simulate_micrographs import ExposureOptions, SimulateMicrographs, fields_of, simulate_micrographs

REAL, MASK, CUT = "real labels", "CryoGEM", "CUT"
PUBLISHED = ExposureOptions(snr_db=-10.0, mode="paper")
"""The released code's; its lenses are `PUBLISHED_LENS`."""
NOISES = ("gaussian", "poisson-gaussian", "gaussian, published", "poisson-gaussian, published")
"""The paper's order and its noises, as strong as the real particles look and under their lenses, or its own."""
AS_VISIBLE, CLOSER = NOISES[:2], 3
KINDS = (REAL, MASK, CUT, "simulation", *NOISES)
COUNTS = {"learn_from": 6, "steps": 3000, "crop": 256, "width": 16, "count": 24, "pick_steps": 300, "pickers": 2}
NOTE = """AUPRC (and the highest F1) on {held_out} micrographs that nothing learnt from, matched within {radius:g} A, of
the same picker ({pick_steps} steps; mean of {pickers}) trained on {count} micrographs of each kind, or on the real
labels of {learn_from}; mean of seeds, and the worst. CryoGEM and CUT: {steps} steps on crops of {crop} px, width
{width}. Distances are the mean of seeds; what is said of labels is the worst seed's: hallucinations at the score
that gives real labels their highest F1, and at a score of one half."""


@dataclass(frozen=True)
class Study:
    """One seed on one set of real micrographs."""

    folder: Path
    learnt: Path
    held_out: Path
    coordinates: Path
    model: str
    ctf: str
    amplitude_contrast: float
    pixel_size: float
    diameter: float
    radius: float
    steps: int
    crop: int
    width: int
    precision: str
    count: int
    pick_steps: int
    pickers: int
    words: str
    seed: int

    def _lenses(self) -> Path:
        """The lenses of the micrographs that are learnt from, alone."""
        out, wanted = self.folder / "lenses.star", {path.stem for path in self.learnt.iterdir()}
        if not out.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            tables = read_tables(Path(self.ctf))
            kept = {
                name: table[table["rlnMicrographName"].map(lambda one: Path(one).stem in wanted)]
                if "rlnMicrographName" in table
                else table
                for name, table in tables.items()
            }
            write_tables(out, kept)
        return out

    def learn(self, kind: str) -> Path:
        """The run of a translator."""
        out = self.folder / kind
        words = f"--ctf {self._lenses()} --amplitude-contrast {self.amplitude_contrast} --pixel-size {self.pixel_size}"
        network = f"--steps {self.steps} --crop {self.crop} --width {self.width}"
        negatives = {MASK: "mask", CUT: "all"}[kind]
        how = f"{network} --negatives {negatives} --precision {self.precision} --seed {self.seed}"
        options = [*words.split(), *how.split(), *self.words.split()]
        frazil(self.folder, "cryogem", "train", str(self.learnt), self.model, "--out", str(out), *options)
        return out

    def made(self, kind: str) -> Path:
        """Labelled micrographs of a kind; all are simulated at the fitted counts and size."""
        out = self.folder / f"{kind}_made"
        if kind in (MASK, CUT):
            words = f"--count {self.count} --seed {1000 + self.seed}".split()
            frazil(self.folder, "cryogem", "generate", str(self.learn(kind)), "--out", str(out), *words)
        else:
            fitted = replace(read_simulation(self.learn(MASK)), out=out, count=self.count, seed=1000 + self.seed)
            simulate_micrographs(self._as_visible(of_kind(fitted, kind), kind))
        return out

    def _as_visible(self, simulation: SimulateMicrographs, kind: str) -> SimulateMicrographs:
        """A baseline whose particles a filter sees as clearly as the real ones, but for the published strength."""
        if kind not in AS_VISIBLE:
            return simulation
        wanted = json.loads((self.learn(MASK) / "match.json").read_text())["figures"]["real"]["matched_filter_score"]
        structures = fields_of(simulation).population.structures
        rows = read_ctf_rows(self._lenses(), simulation.lens)
        lenses = [rows[torch.tensor([row])] for row in range(len(rows))]
        for _ in range(CLOSER):
            seen = particle_count(measure_simulated(simulation, structures, self.diameter, lenses)).score or wanted / 2
            snr_db = simulation.exposure.snr_db + 20 * math.log10(wanted / seen)
            simulation = replace(simulation, exposure=replace(simulation.exposure, snr_db=round(snr_db, 2)))
        return simulation

    def pick(self, kind: str) -> dict[str, float]:
        """What pickers that learnt from a kind find on the micrographs held out, on average."""
        found = [self._pick(kind, number) for number in range(self.pickers)]
        return {name: statistics.mean(own[name] for own in found) for name in found[0]}

    def _pick(self, kind: str, number: int) -> dict[str, float]:
        micrographs, labels = self.learnt, self.coordinates
        size = ["--pixel-size", str(self.pixel_size)]
        if kind != REAL:
            micrographs, labels = self.made(kind) / "micrographs", self.made(kind) / "particles.star"
        run, picks, judged = (self.folder / f"{kind}_{what}{number}" for what in ("picker", "picks", "judged"))
        seed = self.pickers * self.seed + number
        words = f"--diameter {self.diameter} --steps {self.pick_steps} --seed {seed} --held-out 0".split()
        own = [*words, *(size if kind == REAL else [])]
        frazil(self.folder, "pick", "train", str(micrographs), "--coordinates", str(labels), "--out", str(run), *own)
        if not (picks / "picks.star").exists():
            into = ["--out", str(picks), "--threshold", "0", *size]
            frazil(self.folder, "pick", "apply", str(run), str(self.held_out), *into)
        truth = ["--radius", str(self.radius / self.pixel_size), "--micrographs", str(self.held_out)]
        into = ["--out", str(judged)]
        frazil(self.folder, "evaluate", "picks", str(picks / "picks.star"), str(self.coordinates), *truth, *into)
        return json.loads((judged / "figures.json").read_text())

    def distances(self, kinds: Sequence[str]) -> dict[str, dict[str, float]]:
        """How close each kind comes to the micrographs held out; the ones learnt from beside them."""
        others = {
            "real ones learnt from": self.learnt,
            **{kind: self.made(kind) / "micrographs" for kind in kinds if kind != REAL},
        }
        out = self.folder / "distances"
        words = ["--out", str(out), "--pixel-size", str(self.pixel_size), "--seed", str(self.seed)]
        words += ["--coordinates", str(self.coordinates), "--diameter", str(self.diameter)]
        frazil(self.folder, "evaluate", "micrographs", str(self.held_out), *map(str, others.values()), *words)
        found = json.loads((out / "figures.json").read_text())["micrographs"]
        first, *rest = found.values()  # the floor, then in the order given
        return {"real ones against each other": first, **dict(zip(others, rest, strict=True))}

    def integrity(self, kind: str) -> dict[str, float]:
        """Whether a translator's particles are where they should be, and nowhere else."""
        empty = self.folder / f"{kind}_empty"
        words = f"--count 6 --particles 0 --seed {2000 + self.seed}".split()
        frazil(self.folder, "cryogem", "generate", str(self.learn(kind)), "--out", str(empty), *words)
        fitted = replace(read_simulation(self.learn(MASK)), count=self.count, seed=1000 + self.seed)
        in_use = json.loads((self.folder / f"{REAL}_judged0" / "figures.json").read_text())["at_score"]
        picker = self.folder / f"{REAL}_picker0"
        rates = [hallucination_rate(picker, empty, self.made(kind), least) for least in (in_use, 0.5)]
        kept = strength_kept(fitted, self.made(kind))
        return {"hallucination_rate": rates[0], "hallucination_rate_of_a_half": rates[1], "strength_kept": kept}


def of_kind(fitted: SimulateMicrographs, kind: str) -> SimulateMicrographs:
    """The simulation, or the paper's of a noise in its place."""
    if kind == "simulation":
        return fitted
    noise, _, published = kind.partition(", ")
    if published:
        return replace(fitted, ctf="ranges", lens=PUBLISHED_LENS, exposure=replace(PUBLISHED, paper_noise=noise))
    exposure = ExposureOptions(snr_db=fitted.exposure.snr_db, mode="paper", paper_noise=noise)
    return replace(fitted, exposure=exposure)


def _shared_out(real: Path, first: int, folder: Path) -> tuple[Path, Path]:
    """Folders of links to the micrographs that are learnt from, and to those that judge."""
    paths = find_micrographs(real)
    folders = folder / "learnt", folder / "held_out"
    for own, chosen in zip(folders, (paths[:first], paths[first:]), strict=True):
        own.mkdir(parents=True, exist_ok=True)
        for path in chosen:
            if not (own / path.name).is_symlink():
                (own / path.name).symlink_to(path.resolve())
        if {path.name for path in own.iterdir()} != {path.name for path in chosen}:
            raise SystemExit(f"{own}: holds micrographs of another study; give another --folder")
    return folders


def picking_table(rows: Sequence[dict[str, Any]]) -> str:
    """A row for each kind."""
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row["found"] for row in rows if row["kind"] == kind]
        mean = {name: statistics.mean(row[name] for row in own) for name in ("auprc", "f1")}
        worst = min(row["auprc"] for row in own)
        lines.append([kind, f"{mean['auprc']:.4f}", f"{worst:.4f}", f"{mean['f1']:.4f}", str(len(own))])
    return markdown_table(["trained on", "AUPRC", "worst seed", "F1", "seeds"], lines)


def distances_table(seeds: Sequence[dict[str, dict[str, float]]]) -> str:
    """A row for each kind of micrographs, the real ones first."""
    names = list(next(iter(seeds[0].values())))
    header = ["against those held out", *(name.replace("_", " ") for name in names), "seeds"]
    lines = []
    for kind in dict.fromkeys(kind for found in seeds for kind in found):
        own = [found[kind] for found in seeds if kind in found]
        lines.append([kind, *(f"{statistics.mean(one[name] for one in own):.3g}" for name in names), str(len(own))])
    return markdown_table(header, lines)


def labels_table(rows: Sequence[dict[str, Any]]) -> str:
    """A row for each translator: of each figure, the seed that is farthest from what it should be."""
    should = {"hallucination_rate": 0.0, "hallucination_rate_of_a_half": 0.0, "strength_kept": 1.0}
    lines = []
    for kind in dict.fromkeys(row["labels_of"] for row in rows):
        own = [row["found"] for row in rows if row["labels_of"] == kind]
        worst = [max((one[name] for one in own), key=lambda value: abs(value - best)) for name, best in should.items()]
        lines.append([kind, *(f"{value:.3g}" for value in worst), str(len(own))])
    return markdown_table(["labels of", *(name.replace("_", " ") for name in should), "seeds"], lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/cryogem"))
    for name in ("real", "coordinates"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("model", "ctf"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--pixel-size", type=float, required=True)
    parser.add_argument("--amplitude-contrast", type=float, default=0.1)
    parser.add_argument("--diameter", type=float, required=True)
    parser.add_argument("--radius", type=float, default=30.0)
    parser.add_argument("--precision", default="bf16-mixed")
    parser.add_argument("--words", default="", help="more options of cryogem train, --resolution 20 for example")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    for name, default in COUNTS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    return parser


def main() -> None:
    """Measure what has no row yet, and write the tables."""
    given = vars(_parser().parse_args())
    kinds, seeds = given.pop("kinds"), given.pop("seeds")
    settings = {name: given[name] for name in (*COUNTS, "radius", "precision")}
    settings |= {"words": given["words"]} if given["words"] else {}
    settings |= {"data": given["real"].resolve().name, "model": Path(given["model"]).name}
    settings |= {name: given[name] for name in ("pixel_size", "diameter", "amplitude_contrast")}
    settings |= {name: Path(given[name]).name for name in ("ctf", "coordinates")}
    learnt, held_out = _shared_out(given.pop("real"), given.pop("learn_from"), given["folder"])
    given |= {"learnt": learnt, "held_out": held_out}
    path = RESULTS / "cryogem.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    rows = [row for row in rows if settings.items() <= row.items()]

    def fill(key: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> None:
        if not any(key.items() <= row.items() for row in rows):
            rows.append({**key, **settings, **measure()})
            print(json.dumps(rows[-1]), flush=True)
            with path.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")

    for seed in seeds:
        study = Study(**{**given, "folder": given["folder"] / f"seed{seed}"}, seed=seed)
        for kind in kinds:
            fill({"kind": kind, "seed": seed}, lambda study=study, kind=kind: {"found": study.pick(kind)})
        fill({"distances_of": kinds, "seed": seed}, lambda study=study: {"found": study.distances(kinds)})
        for kind in [own for own in (MASK, CUT) if REAL in kinds and own in kinds]:
            fill({"labels_of": kind, "seed": seed}, lambda study=study, kind=kind: {"found": study.integrity(kind)})
    picked, distances, labels = ([row for row in rows if name in row] for name in ("kind", "distances_of", "labels_of"))
    note = NOTE.format(**settings, held_out=len(find_micrographs(held_out)))
    device = torch.device("cpu")
    parts = [heading("Micrographs without labels", device), note, picking_table(picked)]
    parts += [distances_table([row["found"] for row in distances]), labels_table(labels)]
    text = "\n\n".join(parts) + "\n"
    print(f"\n{text}\n{write_results('cryogem', device, text)}")


if __name__ == "__main__":
    main()
