"""CryoGAN's published experiments at the CPU's size or at full size, beside what the paper found."""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from measuring import FIGURES, Ledger, measured
from results_file import heading, markdown_table

from frazil.recipes.published_experiments import (
    BETAGAL,
    MISMATCH,
    RIBOSOME,
    Experiment,
    Place,
    Size,
    cryogan_betagal_synthetic,
    cryogan_pose_mismatch,
    cryogan_ribosome_noise,
)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def _folder(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)


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
px): of the map against the truth at FSC 0.5 and 0.143, and of the half maps against each other. CPU: images of 64 or 48
px, with as much noise for each square angstrom. Poses: median error in degrees, where there was a refinement."""


@dataclass(frozen=True)
class How:
    """How the experiments are done: what tells rows of one experiment apart."""

    steps: tuple[int, ...]
    """Updates of the volume in each stage."""
    boxes: tuple[int, ...]
    """Pixels of each stage; the recipe's own if there are none."""
    finer: Literal["needed", "always"]
    refine: bool
    size: Size

    def __str__(self) -> str:
        stages = " + ".join(map(str, self.steps)) + (f" at {', '.join(map(str, self.boxes))} px" if self.boxes else "")
        more = {"every stage": self.finer == "always", "refined": self.refine, "full size": self.size == "gpu"}
        return ", ".join([stages, *(words for words, so in more.items() if so)])

    def experiment(self, name: str, place: Place, device: str) -> Experiment:
        """One of the published ones, done so; in half precision on a GPU."""
        experiment = EXPERIMENTS[name](place)
        assert experiment.images is not None
        boxes = self.boxes or experiment.reconstruction.learning.boxes[: len(self.steps)]
        options = replace(
            experiment.reconstruction,
            out=place.out / _folder(str(self)),
            box=max(self.boxes, default=experiment.reconstruction.box),
            refine=self.refine,
            finer=self.finer,
            device=device,
            precision="bf16-mixed" if torch.device(device).type == "cuda" else "32-true",
            learning=replace(experiment.reconstruction.learning, boxes=boxes, steps=self.steps),
        )
        return replace(experiment, images=replace(experiment.images, device=device), reconstruction=options)


def run(folder: Path, names: Sequence[str], seeds: Sequence[int], how: How, device: str, data: Path = SHARED) -> str:
    """The page: what was not done yet is done first, with models and lenses of `data`."""
    ledger = Ledger("published")
    for name, seed in itertools.product(names, seeds):
        out = folder / "published" / how.size / _folder(f"{name} {seed}")
        experiment = how.experiment(name, Place(out, data, how.size, seed=seed), device)
        ledger.fill(
            {"name": name, "seed": seed, "how": str(how)}, lambda it=experiment: measured(it.images, it.reconstruction)
        )
    return f"{heading('Published experiments', torch.device(device))}\n{NOTE}\n\n{table(ledger.rows)}\n"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A row for each experiment and way of doing it."""
    kinds = dict.fromkeys((row["name"], row["how"]) for row in rows)
    return markdown_table(
        ["experiment", "steps", *FIGURES.values(), "poses", "minutes", "seeds"], [_row(kind, rows) for kind in kinds]
    )


def _row(kind: tuple[str, str], rows: Sequence[dict[str, Any]]) -> list[str]:
    name, how = kind
    own = [row for row in rows if (row["name"], row["how"]) == kind]
    published = EXPERIMENTS[name](Place(Path(), SHARED)).published
    cells = []
    for figure in FIGURES:
        theirs = getattr(published, figure, None)
        cells.append(f"{max(row[figure] for row in own):.1f} ({'-' if theirs is None else theirs})")
    for figure in ("poses", "minutes"):
        values = [row[figure] for row in own if figure in row]
        cells.append(f"{max(values):.2g}" if values else "-")
    return [name, how, *cells, str(len(own))]
