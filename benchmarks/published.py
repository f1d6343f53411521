"""CryoGAN's published experiments at the CPU's size, beside what the paper found at full size."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from measuring import FIGURES, Ledger, measured
from results_file import heading, markdown_table

from frazil.recipes.published_experiments import (
    BETAGAL,
    MISMATCH,
    RIBOSOME,
    Experiment,
    Place,
    cryogan_betagal_synthetic,
    cryogan_pose_mismatch,
    cryogan_ribosome_noise,
)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def _views(variance: float | None) -> str:
    return "uniform" if variance is None else f"sigma {variance:g}"


EXPERIMENTS: dict[str, Callable[[Place], Experiment]] = {
    **{f"beta-gal {a:g} dB, {b:g} %": lambda at, a=a, b=b: cryogan_betagal_synthetic(at, a, b) for a, b in BETAGAL},
    **{f"80S {a:g} dB, 5 %": lambda at, a=a: cryogan_ribosome_noise(at, a) for a in RIBOSOME},
    **{
        f"views {_views(a)}, prior {_views(b)}": lambda at, a=a, b=b: cryogan_pose_mismatch(at, a, b)
        for a, b in MISMATCH
    },
}

NOTE = """Resolution in angstrom, the worst seed's, and in brackets what the paper found at full size (192 or 180
px): of the map against the truth at FSC 0.5 and 0.143, and of the half maps against each other. Here the images are of
64 or 48 px, with as much noise for each square angstrom."""


def measure(name: str, place: Place, steps: tuple[int, ...], refine: bool) -> dict[str, Any]:
    """One experiment with the steps that are given for its stages."""
    experiment = EXPERIMENTS[name](place)
    assert experiment.images is not None
    learning = experiment.reconstruction.learning
    learning = replace(learning, boxes=learning.boxes[: len(steps)], steps=steps)
    return measured(experiment.images, replace(experiment.reconstruction, learning=learning, refine=refine))


def run(folder: Path, names: Sequence[str], seeds: Sequence[int], steps: tuple[int, ...], refine: bool) -> str:
    """The page: what was not done yet is done first."""
    ledger = Ledger("published")
    for name in names:
        for seed in seeds:
            place = Place(folder / "published" / f"{name} {seed}".replace(" ", "_"), SHARED, seed=seed)
            key = {"name": name, "seed": seed, "steps": list(steps), "refine": refine}
            ledger.fill(key, lambda name=name, place=place: measure(name, place, steps, refine))
    return f"{heading('Published experiments', torch.device('cpu'))}\n{NOTE}\n\n{table(ledger.rows)}\n"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A row for each experiment and length of run."""
    kinds = dict.fromkeys((row["name"], tuple(row["steps"]), row["refine"]) for row in rows)
    header = ["experiment", "steps", *FIGURES.values(), "seeds"]
    return markdown_table(header, [_row(kind, rows) for kind in kinds])


def _row(kind: tuple[str, tuple[int, ...], bool], rows: Sequence[dict[str, Any]]) -> list[str]:
    name, steps, refine = kind
    own = [row for row in rows if (row["name"], tuple(row["steps"]), row["refine"]) == kind]
    published = EXPERIMENTS[name](Place(Path(), SHARED)).published
    cells = []
    for figure in FIGURES:
        theirs = getattr(published, figure, None)
        cells.append(f"{max(row[figure] for row in own):.1f} ({'-' if theirs is None else theirs})")
    length = " + ".join(map(str, steps)) + (", refined" if refine else "")
    return [name, length, *cells, str(len(own))]
