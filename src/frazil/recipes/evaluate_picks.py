"""`frazil evaluate picks`: coordinates that were found against those that are known."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from frazil.io.coordinates import Coordinates, read_coordinates, refuse_other_pixels
from frazil.io.micrographs import find_micrographs, micrograph_stem
from frazil.metrics.picking import PrecisionRecall, precision_recall
from frazil.recipes.results.evaluation import leave_figures, refuse_run
from frazil.report import Report
from frazil.report.pick import precision_recall_figure


@dataclass(frozen=True)
class EvaluatePicks:
    """Hold picks against known particles: AUPRC by Topaz's protocol, F1, recall and offset at the best score.

    Coordinates are STAR (RELION), .txt (Topaz), or a folder of .box or .cbox files. Micrographs of which nothing is
    known never count.
    """

    picks: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PICKS")]
    """Coordinates with scores."""
    truth: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TRUTH")]
    """Known coordinates, of the same pixels."""
    radius: float
    """Pixels within which a pick is right; each particle has one."""
    micrographs: Path | None = None
    """Folder or STAR file of the micrographs that count; default all of which particles are known, so that one
    without picks counts as missed."""
    out: Path | None = None
    """Folder for figures.json and report.html."""


def evaluate_picks(options: EvaluatePicks) -> None:
    """Print the figures, and write them where asked to."""
    refuse_run(options.out)
    if not options.radius > 0:
        raise ValueError(f"--radius must be positive, it is {options.radius:g}")
    curve = _curve(options)
    leave_figures(_figures(curve), options.out, lambda: _page(curve, options))


def _page(curve: PrecisionRecall, options: EvaluatePicks) -> Report:
    report = Report(f"Picks: {options.picks.name}", f"against {options.truth.name}, radius {options.radius:g} px")
    report.headline("AUPRC", f"{curve.area:.3f}")
    report.headline("Best F1", f"{curve.f1:.3f}")
    report.section("Picks against known particles")
    report.figure(precision_recall_figure({options.picks.name: curve}))
    return report


def _curve(options: EvaluatePicks) -> PrecisionRecall:
    found, truth = read_coordinates(options.picks), read_coordinates(options.truth)
    if options.micrographs is not None:
        counted = {micrograph_stem(path.name) for path in find_micrographs(options.micrographs)}
        truth = {name: own for name, own in truth.items() if name in counted}
    if not set(found) & set(truth):
        names = next(iter(found), "none"), next(iter(truth), "none")
        raise ValueError(f"{options.picks} and {options.truth} have no micrograph in common ({names[0]}, {names[1]})")
    _refuse_different_pixels(options, found, truth)
    if missed := [name for name in truth if name not in found]:
        print(f"{len(missed)} of {len(truth)} micrographs have no picks ({missed[0]}, say) and count as missed")
    scored = {
        name: (own.places, np.ones(len(own.places)) if own.scores is None else own.scores)
        for name, own in found.items()
    }
    return precision_recall(scored, {name: own.places for name, own in truth.items()}, options.radius)


def _refuse_different_pixels(
    options: EvaluatePicks, found: dict[str, Coordinates], truth: dict[str, Coordinates]
) -> None:
    """ValueError where both files say what pixels they count, and these differ."""
    for name, own in truth.items():
        if name in found and own.pixel_size is not None:
            refuse_other_pixels(options.picks, name, found[name].pixel_size, own.pixel_size)


def _figures(curve: PrecisionRecall) -> dict[str, float]:
    if not len(curve.score):
        return {"auprc": 0.0, "f1": 0.0, "recall": 0.0}
    best = curve.best
    return {
        "auprc": curve.area,
        "f1": curve.f1,
        "at_score": float(curve.score[best]),
        "precision": float(curve.precision[best]),
        "recall": float(curve.recall[best]),
        "offset_pixels": float(curve.offset[best]),
        "recall_of_all": float(curve.recall[-1]),
    }
