"""`frazil evaluate poses`: poses that were found against those that are known."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from frazil.geometry import Pose, rotation_angle, symmetry_rotations
from frazil.io import ParticleTable, read_particles
from frazil.metrics import PoseErrors, pose_errors
from frazil.recipes.results.evaluation import leave_figures, refuse_run
from frazil.report import Report
from frazil.report.pose import errors_figure

_WITHIN = (5.0, 15.0)  # degrees, of which the share is told


@dataclass(frozen=True)
class EvaluatePoses:
    """Hold poses against known ones: angles and shifts that remain once both are in one frame.

    One turn, one hand and one origin for all particles are found first, those that suit most of them.
    """

    found: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOUND")]
    """STAR or .cs file with angles; of `frazil pose apply`, `frazil refine` or RELION, say."""
    truth: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TRUTH")]
    """File with the known angles of the same images; of more images, those that were found count."""
    symmetry: str = "C1"
    """Point group of the particle, by RELION's axes in the known frame: the nearest of the poses that it makes alike
    counts."""
    out: Path | None = None
    """Folder for figures.json and report.html."""


def evaluate_poses(options: EvaluatePoses) -> None:
    """Print the figures, and write them where asked to."""
    symmetry_rotations(options.symmetry)  # an unknown one is refused before anything is read
    refuse_run(options.out)
    found, truth = read_particles(options.found), read_particles(options.truth)
    errors = pose_errors(_pose(found), _pose(truth.select(_same_images(found, truth))), options.symmetry)
    leave_figures(_figures(errors), options.out, lambda: _page(errors, options))


def _page(errors: PoseErrors, options: EvaluatePoses) -> Report:
    report, figures = Report(f"Poses: {options.found.name}", f"against {options.truth.name}"), _figures(errors)
    report.headline("Median error", f"{figures['median_deg']:.2f}", "°", f"of {len(errors.angle_deg)} particles")
    report.headline("In radians", f"{figures['median_rad']:.3f}", "", f"point group {options.symmetry}")
    report.headline("Shift", f"{figures['shift_median_angstrom']:.2f}", "Å", "median")
    report.section("Errors")
    report.figure(errors_figure(errors.angle_deg.numpy(), options.found.name))
    return report


def _pose(table: ParticleTable) -> Pose:
    pose = table.pose()
    if pose is None:
        raise ValueError(f"{table.path}: holds no angles (rlnAngleRot, rlnAngleTilt, rlnAnglePsi)")
    return pose


def _same_images(found: ParticleTable, truth: ParticleTable) -> np.ndarray:
    """The row of the truth that each row that was found is an image of.

    By the whole names of stacks, or, where the files lie in two folders, without theirs.
    """
    rows = {name: row for row, name in enumerate(_names(truth, whole=True))}
    whole = all(name in rows for name in _names(found, whole=True))
    if not whole:
        rows = {name: row for row, name in enumerate(_names(truth, whole=False))}
    if len(rows) < len(truth):
        raise ValueError(f"{truth.path}: holds an image twice, or stacks of one name in two folders")
    chosen = []
    for row, name in enumerate(_names(found, whole)):
        if name not in rows:
            raise ValueError(f"{found.path}, row {row + 1}: image {name} is none of {truth.path}")
        chosen.append(rows[name])
    return np.array(chosen)


def _names(table: ParticleTable, whole: bool) -> list[str]:
    stacks, places = table.image_refs()
    return [f"{place + 1}@{stack if whole else Path(stack).name}" for stack, place in zip(stacks, places, strict=True)]


def _figures(errors: PoseErrors) -> dict[str, float]:
    angle = errors.angle_deg
    turn = rotation_angle(errors.rotation, torch.eye(3).to(errors.rotation))
    return {
        "median_deg": float(angle.median()),
        "median_rad": float(torch.deg2rad(angle.median())),
        "mean_rad": float(torch.deg2rad(angle.mean())),
        **{f"within_{limit:g}_deg": float((angle <= limit).float().mean()) for limit in _WITHIN},
        "shift_median_angstrom": float(errors.shift.median()),
        "frame_turned_deg": float(turn),
        "other_hand": float(errors.mirrored),
    }
