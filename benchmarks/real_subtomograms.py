"""Real subtomograms that nothing learnt from: how close CryoETGAN's come to them, and how close its physics alone.

    python benchmarks/real_subtomograms.py PARTICLES.star MODEL [MODEL ...] --tomograms TOMOGRAMS.star
        [--steps 1200] [--count 120] [--words "--resolution 20"] [--folder build/real_subtomograms]

PARTICLES.star lists stacks of tilt images, as RELION 5 and WarpTools extract them. Each tomogram in turn is held out:
a translator learns from the others' subtomograms, no label read. The table goes to
benchmarks/results/real_subtomograms_<hardware>_<date>.md.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from commands import frazil
from jaxtyping import Float
from results_file import heading, markdown_table, write_results
from same_noise import in_same_noise
from torch import Tensor

from frazil.data.subtomograms import read_subtomograms
from frazil.io import read_tables, write_tables
from frazil.metrics.volume_spectra import SECTORS, sector_distances, sector_power
from frazil.recipes.cryoetgan import read_simulation
from frazil.recipes.fitting.taken_series import as_taken
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, simulate_subtomograms

TOMOGRAM = "rlnTomoName"
NOTE = """Root mean square difference of the logarithms of the mean power spectra of subtomograms, by the angle to the
upright image's plane, from those of a tomogram that was held out ({source}; {count} of each kind; {steps} steps). Mean
of {folds} tomograms, and the worst. Of the tomogram held out, generated and simulated ones are told how its tilt series
was taken, and nothing else (`cryoetgan generate --tomograms`); physics that is not fitted has the noise, the weighting
and the strength of `frazil simulate subtomograms` by default."""


def _split(real: Path, folder: Path, held_out: str) -> tuple[Path, Path]:
    """Tables of the other tomograms' subtomograms and of one's, beside the volumes that they name."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = read_tables(real)
    rows = tables["particles"]
    paths = []
    for name, kept in {"learnt": rows[TOMOGRAM] != held_out, "held_out": rows[TOMOGRAM] == held_out}.items():
        own = rows[kept].assign(rlnImageName=[str(real.parent / one) for one in rows[kept]["rlnImageName"]])
        paths.append(folder / f"{name}.star")
        write_tables(paths[-1], {**tables, "particles": own})
    return paths[0], paths[1]


def _only(tomograms: Path, folder: Path, held_out: str) -> Path:
    """A table of one of the tomograms."""
    tables = read_tables(tomograms)
    own = {name: rows[rows[TOMOGRAM] == held_out] if TOMOGRAM in rows else rows for name, rows in tables.items()}
    write_tables(folder / "tomograms.star", own)
    return folder / "tomograms.star"


def _power(table: Path) -> Float[Tensor, "sectors shells"]:
    return sector_power(read_subtomograms(table).volumes())


def measure(real: Path, held_out: str, folder: Path, given: argparse.Namespace) -> dict[str, list[float]]:
    """Distances by direction, of each kind from the tomogram held out."""
    learnt, unseen = _split(real, folder, held_out)
    run, made = folder / "run", folder / "generated"
    words = f"--steps {given.steps} --seed 0 {given.words} --tomograms {given.tomograms}".split()
    frazil(folder, "cryoetgan", "train", str(learnt), *given.models, "--out", str(run), *words)
    series = _only(given.tomograms, folder, held_out)
    words = ["--count", str(given.count), "--tomograms", str(series)]
    frazil(folder, "cryoetgan", "generate", str(run), "--out", str(made), *words)
    learnt_from = read_simulation(run)
    tilts, lens = as_taken(series, None, learnt_from.tilts, learnt_from.lens)
    fitted = replace(learnt_from, out=folder / "physics", count=given.count, seed=1000, tilts=tilts, lens=lens)
    fitted = in_same_noise(fitted, learnt_from)
    told = replace(fitted, out=folder / "not fitted", noise="white", snr_db=SimulateSubtomograms.snr_db)
    told = replace(told, tilts=replace(tilts, tilt_weighting=0.0))
    for simulation in (fitted, told):
        simulate_subtomograms(simulation)
    kinds = {
        "real ones learnt from": learnt,
        "CryoETGAN": made / "particles.star",
        "its fitted physics alone": fitted.out / "particles.star",
        "physics that is not fitted": told.out / "particles.star",
    }
    truth = _power(unseen)
    return {name: sector_distances(truth, _power(table)).tolist() for name, table in kinds.items()}


def table(found: Sequence[dict[str, list[float]]]) -> str:
    """A row for each kind, a column for each direction and their mean."""
    lines = []
    for kind in found[0]:
        own = [[*fold[kind], statistics.mean(fold[kind])] for fold in found]
        columns = list(zip(*own, strict=True))
        lines.append([kind, *(f"{statistics.mean(one):.3f} ({max(one):.3f})" for one in columns)])
    return markdown_table(["", *SECTORS, "mean"], lines)


def main() -> None:
    """Measure each fold, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("particles", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--tomograms", type=lambda name: Path(name).resolve(), required=True)
    parser.add_argument("--words", default="", help="more options of cryoetgan train")
    parser.add_argument("--folder", type=Path, default=Path("build/real_subtomograms"))
    given = parser.parse_args()
    folder = given.folder.resolve()
    real = folder / "real" / "particles.star"
    if not real.is_file():
        frazil(folder, "reconstruct", "subtomograms", str(given.particles), "--out", str(real.parent))
    names = sorted(read_tables(real)["particles"][TOMOGRAM].unique())
    found = []
    for name in names:
        found.append(measure(real, name, folder / name, given))
        print(name, found[-1], flush=True)
    device = torch.device("cpu")
    told = NOTE.format(source=given.particles.name, count=given.count, steps=given.steps, folds=len(names))
    text = f"{heading('Real subtomograms', device)}\n{told}\n\n{table(found)}\n"
    print(f"\n{text}\n{write_results('real_subtomograms', device, text)}")


if __name__ == "__main__":
    main()
