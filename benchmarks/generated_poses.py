"""Poses of particles that nobody has labelled: encoders that learn from generated micrographs, and what they start.

    python benchmarks/generated_poses.py MODEL.cif --symmetry D2 --diameter 190 --noise BACKGROUNDS.mrcs --ctf FILE.star
        [--coarse 20] [--seeds 0] [--folder build/generated_poses]

The micrographs that stand for real ones are simulated, so that their poses are known: of the whole model, with a
measured background, measured lenses and lumps of ice, by settings that nothing else is told. CryoGEM learns from them
without a label and from the model at a coarse resolution. An encoder learns from the particles of each kind of
micrographs, guesses the poses of the "real" particles, and `frazil refine --from-poses` goes on from there. What is
done stands in benchmarks/results/generated_poses.jsonl; tables go to
benchmarks/results/generated_poses_<hardware>_<date>.md.
"""

import argparse
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from commands import frazil
from cryogem import of_kind
from results_file import RESULTS, heading, markdown_table, write_results

from frazil.data.specimens import read_specimen
from frazil.io import Map, read_map
from frazil.metrics import truth_fsc
from frazil.recipes.cryogem import read_simulation
from frazil.recipes.simulate_micrographs import simulate_micrographs

LABELS, GEM, CHANCE = "labels of others like them", "CryoGEM", "nothing: from chance"
KINDS = (LABELS, GEM, CHANCE, "simulation", "gaussian, published", "poisson-gaussian, published")
NOTE = """Encoders of poses ({steps} steps), from {count} micrographs of each kind, on {real} micrographs of known
poses ({model}, {symmetry}; {snr_db:g} dB, a measured background, lumps of ice) that none learnt the poses of: median
error in radians and degrees, after `frazil refine --from-poses` the same, and the resolution of its map (FSC 0.5 with
the model, aligned to it). CryoGEM's map: the model at {coarse:g} A, {gem_steps} steps. Mean of seeds."""


@dataclass(frozen=True)
class Study:
    """One seed."""

    folder: Path
    model: str
    symmetry: str
    diameter: float
    noise: str
    ctf: str
    pixel_size: float
    size: int
    snr_db: float
    coarse: float
    real: int
    count: int
    steps: int
    gem_steps: int
    width: int
    box: int
    seed: int

    def observed(self, name: str, count: int, seed: int) -> Path:
        """Micrographs that stand for real ones, and their labels."""
        out = self.folder / name
        field = (
            f"--size {self.size} {self.size} --pixel-size {self.pixel_size} --particles 100 --particles-deviation 15"
        )
        exposure = f"--snr-db {self.snr_db} --lumps 0.3 --ice-thickness 600 --ice-variation 0.02 --resolution 6"
        words = f"--out {out} --count {count} --seed {seed} --noise {self.noise} --ctf {self.ctf} {field} {exposure}"
        frazil(self.folder, "simulate", "micrographs", self.model, *words.split())
        return out

    def gem(self) -> Path:
        """A translator that has seen the observed micrographs, without a label, and a coarse map."""
        out = self.folder / GEM
        words = f"--out {out} --resolution {self.coarse} --symmetry {self.symmetry} --steps {self.gem_steps}"
        how = (
            f"--ctf {self.folder}/real/micrographs.star --width {self.width} --precision bf16-mixed --seed {self.seed}"
        )
        frazil(
            self.folder, "cryogem", "train", str(self.real_set() / "micrographs"), self.model, *f"{words} {how}".split()
        )
        return out

    def real_set(self) -> Path:
        return self.observed("real", self.real, 500 + self.seed)

    def labelled(self, kind: str) -> Path:
        """Micrographs of a kind, with the labels that an encoder learns from."""
        if kind == LABELS:
            return self.observed("others", self.count, 700 + self.seed)
        out = self.folder / f"{kind}_made"
        if kind == GEM:
            words = f"--out {out} --count {self.count} --seed {1000 + self.seed}".split()
            frazil(self.folder, "cryogem", "generate", str(self.gem()), *words)
        else:
            fitted = replace(read_simulation(self.gem()), out=out, count=self.count, seed=1000 + self.seed)
            simulate_micrographs(of_kind(fitted, kind))
        return out

    def extracted(self, micrographs: Path) -> Path:
        """A stack of its particles, in boxes as wide as can be had of the generated micrographs' larger pixels."""
        out = micrographs / "particles"
        if not (out / "particles.star").exists():
            coarse = read_simulation(self.gem()).pixel_size
            width = 2 * coarse * math.ceil(0.75 * self.diameter / coarse)
            own = read_map(sorted((micrographs / "micrographs").iterdir())[0]).pixel_size
            words = f"--coordinates {micrographs}/particles.star --out {out} --diameter {self.diameter}"
            words += f" --box {2 * round(width / 2 / own)}"
            frazil(self.folder, "extract", str(micrographs / "micrographs"), *words.split())
        return out / "particles.star"

    def measure(self, kind: str) -> dict[str, float]:
        """Errors of what an encoder of a kind guesses, and of what a refinement makes of it, or of chance."""
        run, posed = self.folder / f"{kind}_encoder", self.folder / f"{kind}_posed.star"
        images = self.extracted(self.real_set())
        words = f"--symmetry {self.symmetry} --diameter {self.diameter} --box {self.box} --seed {self.seed}"
        alike, refined = f"{words} --contrast light".split(), self.folder / f"{kind}_refined"
        if kind == CHANCE:
            frazil(self.folder, "refine", str(images), "--out", str(refined), *alike)
            after = self._errors(refined / "particles.star", images)
            return {"refined_deg": after["median_deg"], "resolution": self._resolution(refined)}
        learnt = str(self.extracted(self.labelled(kind)))
        frazil(self.folder, "pose", "train", learnt, "--out", str(run), "--steps", str(self.steps), *alike)
        if not posed.exists():
            frazil(self.folder, "pose", "apply", str(run), str(images), "--out", str(posed), "--contrast", "light")
        frazil(self.folder, "refine", str(posed), "--from-poses", "--out", str(refined), *alike)
        guess, after = (self._errors(path, images) for path in (posed, refined / "particles.star"))
        return {
            "guess_rad": guess["median_rad"],
            "guess_deg": guess["median_deg"],
            "refined_deg": after["median_deg"],
            "resolution": self._resolution(refined),
        }

    def _errors(self, found: Path, truth: Path) -> dict[str, float]:
        out = self.folder / f"{found.parent.name}_{found.stem}_errors"
        words = ["--symmetry", self.symmetry, "--out", str(out)]
        frazil(self.folder, "evaluate", "poses", str(found), str(truth), *words)
        return json.loads((out / "figures.json").read_text())

    def _resolution(self, refined: Path) -> float:
        """FSC 0.5 with the whole model, in angstrom."""
        found = read_map(refined / "map.mrc")
        truth = read_specimen(self.model, found.volume.shape[-1], found.pixel_size, None).volume
        return truth_fsc(found, Map(truth, found.pixel_size)).resolution(0.5)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A row for each kind, the mean of its seeds."""
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row["found"] for row in rows if row["kind"] == kind]
        mean = {name: statistics.mean(found[name] for found in own) for name in own[0]}
        guess = [f"{mean['guess_rad']:.3f}", f"{mean['guess_deg']:.1f}"] if "guess_rad" in mean else ["-", "-"]
        lines.append([kind, *guess, f"{mean['refined_deg']:.2f}", f"{mean['resolution']:.2f}", str(len(own))])
    header = ["learnt from", "guess, rad", "guess, degrees", "refined, degrees", "map, A", "seeds"]
    return markdown_table(header, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    for name in ("symmetry", "noise", "ctf"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--diameter", type=float, required=True)
    parser.add_argument("--folder", type=Path, default=Path("build/generated_poses"))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    numbers = {"pixel_size": 2.5, "snr_db": -12.0, "coarse": 20.0}
    counts = {"size": 1024, "real": 24, "count": 60, "steps": 3000, "gem_steps": 1500, "width": 16, "box": 48}
    for name, default in {**numbers, **counts}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    given = vars(parser.parse_args())
    folder, kinds, seeds = (given.pop(name) for name in ("folder", "kinds", "seeds"))
    settings = {**given, **{name: Path(given[name]).name for name in ("model", "noise", "ctf")}}
    path = RESULTS / "generated_poses.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    rows = [row for row in rows if settings.items() <= row.items()]
    for seed in seeds:
        study = Study(**given, folder=folder.resolve() / f"seed{seed}", seed=seed)
        for kind in kinds:
            if not any({"kind": kind, "seed": seed}.items() <= row.items() for row in rows):
                rows.append({"kind": kind, "seed": seed, **settings, "found": study.measure(kind)})
                print(json.dumps(rows[-1]), flush=True)
                with path.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    device = torch.device("cpu")
    text = "\n\n".join([heading("Poses from generated micrographs", device), NOTE.format(**settings), table(rows)])
    print(f"\n{text}\n{write_results('generated_poses', device, text)}")


if __name__ == "__main__":
    main()
