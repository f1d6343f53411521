"""frazil's cryoDRGN beside cryodrgn's own (4.3.1): images per second, and how right the volumes are.

    python benchmarks/peers.py --peer VENV/bin/cryodrgn [--kinds motion] [--seeds 0] [--epochs 4] [--threads 1]

The same images, poses, network sizes, passes and number of threads, one after the other. What is done stands in
benchmarks/results/peers.jsonl and is not done again; images and runs are kept in FOLDER. The table of all of it goes to
benchmarks/results/peers_<hardware>_<date>.md.
"""

import argparse
import json
import math
import os
import pickle
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from results_file import RESULTS, heading, markdown_table, write_results

from frazil.data.particle_files import STRUCTURES
from frazil.geometry import fourier_crop, soft_sphere
from frazil.io import read_map, read_particles
from frazil.metrics import fourier_shell_correlation

DIAMETER, SHIFT, LATENT = 140.0, 0.0, 8
NOTE = """AUC-FSC of the volume at the latent of each structure's first image, mean over structures (and the worst
structure's); images per second while learning. The pseudo-protein, {count} images of {box} px, {snr:g} dB, true poses,
{epochs} passes, encoder and decoder of three layers of {width}, {threads} thread(s). frazil learns from 95 % of the
images, in bfloat16; the peer from all, in its own mixed precision."""


@dataclass(frozen=True)
class Case:
    """What both are given."""

    folder: Path
    kind: str
    seed: int
    box: int
    count: int
    snr_db: float
    epochs: int
    width: int
    threads: int
    shift: float = SHIFT
    """Largest, in percent of the box."""

    @property
    def images(self) -> Path:
        """Of one kind and seed."""
        return self.folder / f"{self.kind}_{self.box}_{self.count}_{self.snr_db:g}_{self.seed}"

    def run(self, command: Sequence[str]) -> str:
        """What a program says, on so many threads."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(self.threads))
        done = subprocess.run(command, env=os.environ | threads, text=True, capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout + done.stderr

    def timed(self, *command: str) -> str:
        """The same, and the most memory that the program took at any time, in kilobytes."""
        return self.run(["/usr/bin/time", "-f", "most memory %M", *command])

    def frazil(self, *words: str) -> str:
        """One of frazil's commands."""
        return self.run([sys.executable, "-m", "frazil", *words])

    def simulate(self) -> None:
        """Images, and the peer's pickles of their poses and lenses."""
        size = f"--box {self.box} --pixel-size {192 / self.box} --count {self.count} --snr-db {self.snr_db}"
        kind = f"--heterogeneity {self.kind} --states 20" if self.kind != "none" else ""
        words = f"{size} {kind} --shift-percent {self.shift} --seed {self.seed}"
        self.frazil("simulate", "particles", "pseudo-protein", "--out", str(self.images), *words.split())
        if not (self.images / "peer" / "ctf.pkl").exists():
            self.frazil("export", "cryodrgn", str(self.images / "particles.star"), "--out", str(self.images / "peer"))


def ours(case: Case) -> dict[str, float]:
    """frazil's figures."""
    out = case.images / f"frazil_{case.epochs}"
    network = f"--encoder-width {case.width} --decoder-width {case.width} --latent-dim {LATENT} --epochs {case.epochs}"
    particle = f"--contrast light --diameter {DIAMETER} --shift-percent {SHIFT} --no-halves --seed {case.seed}"
    words = f"--box {case.box} --precision bf16-mixed {particle} {network}".split()
    case.frazil("cryodrgn", str(case.images / "particles.star"), "--out", str(out), *words)
    case.frazil("evaluate", "heterogeneity", str(out), str(case.images))
    found = json.loads((out / "evaluation.json").read_text())
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    learnt = round(0.95 * case.count) * case.epochs
    return {
        "auc": found["auc_per_image"],
        "worst": found["auc_per_image_worst"],
        "rank_correlation": found["rank_correlation"],
        "images_per_second": learnt / lines[-1]["elapsed"],
    }


def theirs(case: Case, program: str) -> dict[str, float]:
    """The peer's figures."""
    out = case.images / f"peer_{case.epochs}"
    pickles = case.images / "peer"
    files = f"{case.images}/particles.mrcs --poses {pickles}/poses.pkl --ctf {pickles}/ctf.pkl -o {out}"
    network = f"--zdim {LATENT} --enc-dim {case.width} --dec-dim {case.width} --enc-layers 3 --dec-layers 3"
    words = f"train_vae {files} {network} -n {case.epochs} --seed {case.seed} --uninvert-data --no-analysis"
    said = case.run([program, *words.split()])
    seconds = [clock_seconds(text) for text in re.findall(r"=====> Epoch: .*Finished in (\S+)", said)]
    with (out / f"z.{case.epochs}.pkl").open("rb") as file:
        latent = pickle.load(file)
    areas = _peer_areas(case, program, out, latent)
    known = read_particles(case.images / "particles.star").numbers("frazilTrueLatent")
    return {
        "auc": statistics.mean(areas),
        "worst": min(areas),
        "rank_correlation": _rank_correlation(latent, known),
        "images_per_second": case.count * len(seconds) / sum(seconds),
    }


def clock_seconds(clock: str) -> float:
    """Seconds of hours:minutes:seconds."""
    hours, minutes, seconds = clock.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def _peer_areas(case: Case, program: str, out: Path, latent: np.ndarray) -> list[float]:
    """AUC-FSC of each structure, of whichever sign its volumes have."""
    structure = read_particles(case.images / "particles.star").numbers("rlnClassNumber").astype(int)
    numbers, first = np.unique(structure, return_index=True)
    np.savetxt(out / "first.txt", latent[first])
    weights = f"{out}/weights.{case.epochs}.pkl -c {out}/config.yaml --zfile {out}/first.txt -o {out}/volumes"
    case.run([program, *f"eval_vol {weights} --vol-start-index 0".split()])
    files = sorted((out / "volumes").glob("*.mrc"))
    assert len(files) == len(numbers), f"{len(files)} volumes of {len(numbers)}"
    areas = {sign: [] for sign in (1, -1)}
    for number, file in zip(numbers, files, strict=True):
        truth = read_map(case.images / STRUCTURES / f"{number:03d}.mrc")
        true_map = fourier_crop(truth.volume, case.box, 3)
        pixel_size = truth.pixel_size * truth.volume.shape[-1] / case.box
        radius = DIAMETER / 2 / pixel_size
        sphere = soft_sphere(case.box, radius, 0.1 * radius)
        volume = read_map(file).volume
        for sign, found in areas.items():
            found.append(fourier_shell_correlation(sign * volume, true_map, pixel_size, sphere).area())
    return max(areas.values(), key=statistics.mean)


def _rank_correlation(latent: np.ndarray, known: np.ndarray) -> float:
    from scipy.stats import spearmanr

    from frazil.methods.cryodrgn.latent_space import principal_axes

    return max(abs(spearmanr(axis, known).statistic) for axis in principal_axes(latent).coordinates.T)


def _mean(values: Iterable[float | None]) -> float:
    """Of those that are known: a program that was held up on the way has no speed."""
    return statistics.mean([value for value in values if value is not None] or [math.nan])


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A row for each kind and program."""
    header = ["molecules", "program", "AUC-FSC, mean of seeds", "worst seed", "rank correlation", "images/s", "seeds"]
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        for program in ("frazil", "cryodrgn 4.3.1"):
            own = [row[program] for row in rows if row["kind"] == kind]
            mean = {name: _mean(each[name] for each in own) for name in own[0]}
            least = f"{min(each['auc'] for each in own):.3f} ({min(each['worst'] for each in own):.3f})"
            figures = [f"{mean['auc']:.3f} ({mean['worst']:.3f})", least, f"{mean['rank_correlation']:.2f}"]
            lines.append([kind, program, *figures, f"{mean['images_per_second']:.0f}", str(len(own))])
    return markdown_table(header, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/peers"))
    parser.add_argument("--peer", required=True)
    parser.add_argument("--kinds", nargs="+", default=["dihedral", "motion", "discrete"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    for name, default in {"box": 64, "count": 10_000, "epochs": 4, "width": 256, "threads": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--snr-db", type=float, default=-13.0)
    given = vars(parser.parse_args())
    peer, kinds, seeds = (given.pop(name) for name in ("peer", "kinds", "seeds"))
    settings = {name: value for name, value in given.items() if name != "folder"}
    path = RESULTS / "peers.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    for seed in seeds:
        for kind in kinds:
            key = {"kind": kind, "seed": seed, **settings}
            if any(key.items() <= row.items() for row in rows):
                continue
            case = Case(**given, kind=kind, seed=seed)
            case.simulate()
            rows.append({**key, "frazil": ours(case), "cryodrgn 4.3.1": theirs(case, peer)})
            print(json.dumps(rows[-1]), flush=True)
            with path.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    own = [row for row in rows if settings.items() <= row.items()]
    text = f"{heading('cryoDRGN, two programs', torch.device('cpu'))}\n{_note(settings)}\n\n{table(own)}\n"
    print(f"\n{text}\n{write_results('peers', torch.device('cpu'), text)}")


def _note(settings: dict[str, Any]) -> str:
    return NOTE.format(**{**settings, "snr": settings["snr_db"]})


if __name__ == "__main__":
    main()
