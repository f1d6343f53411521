"""`frazil evaluate heterogeneity`: what a run found of simulated molecules, held against what they are.

The measures of CryoBench (Jeon et al., NeurIPS 2024).
"""

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from frazil.data import Particles
from frazil.data.particle_files import STRUCTURES
from frazil.geometry import fourier_crop, soft_sphere
from frazil.io import ParticleTable, atomic_path, read_map, read_particles
from frazil.methods.cryodrgn import CryoDRGN
from frazil.methods.cryodrgn.latent_space import principal_axes
from frazil.metrics import (
    FSC,
    PoseErrors,
    fourier_shell_correlation,
    information_imbalance,
    neighbourhood_similarity,
    pose_errors,
)
from frazil.recipes.cryodrgn import load
from frazil.recipes.results.cryodrgn_results import all_latents
from frazil.report import Figure, Report, fsc_figure
from frazil.report.scatter import Layout, scatter_figure

_MOST = 5000  # images whose latents are compared each with each
_SHOWN = 8  # structures whose curves stand in the report
_EDGE = 0.1  # of the radius, over which the sphere fades within which maps are compared


@dataclass(frozen=True)
class EvaluateHeterogeneity:
    """Hold a run of cryoDRGN on simulated images against the structures that they show."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    truth: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TRUTH")]
    """Folder of `frazil simulate particles --heterogeneity`, from which all of the run's images are."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""


@dataclass(frozen=True)
class Evaluation:
    """What a run is worth."""

    auc_per_image: float
    """Mean FSC, over all shells and structures, of the volume at the latent of each structure's first image."""
    auc_per_image_worst: float
    auc_per_conformation: float
    """The same of the volume at the mean latent of each structure's images."""
    neighbourhood_similarity: float
    """Share of an image's nearest neighbours in the latent space that are so in truth, as many as show a structure."""
    information_imbalance: float
    """How little nearness in the latent space says of nearness in truth: 0 all, 1 nothing."""
    rank_correlation: float
    """Spearman's, of the true latent and the latents' best principal axis, without sign."""
    pose_median_deg: float
    pose_90_percent_deg: float
    shift_median_angstrom: float


def evaluate_heterogeneity(options: EvaluateHeterogeneity) -> None:
    """Measure, print, and write evaluation.json, evaluation.csv and evaluation.html into the run's folder."""
    truth = read_particles(options.truth / "particles.star")
    for column in ("rlnClassNumber", "frazilTrueLatent"):
        if column not in truth.data:
            raise ValueError(f"{truth.path}: no column {column}; give a folder of frazil simulate --heterogeneity")
    method, particles = load(options.run, options.device)
    if len(particles) != len(truth):
        raise ValueError(f"{options.run}: learnt {len(particles)} images, but {truth.path} holds {len(truth)}")
    _refuse_others(particles.table, truth)
    if not method.config.latent_dim:
        raise ValueError(f"{options.run}: takes all particles to be alike, and so has no latents to evaluate")
    latent = all_latents(method).mean
    poses = _pose_errors(method, truth)
    first, middle = _curves(method, latent, truth, options.truth / STRUCTURES, poses)
    found = _evaluation(latent, truth, poses, first, middle)
    for name, value in asdict(found).items():
        print(f"{name.replace('_', ' '):26}{value:.4g}")
    with atomic_path(options.run / "evaluation.json") as temporary:
        temporary.write_text(json.dumps(asdict(found), indent=2))
    _write_areas(options.run / "evaluation.csv", first, middle)
    page = _report(found, first, _latents_figure(latent, truth), particles).write(options.run / "evaluation.html")
    print(f"report: {page}")


def _refuse_others(table: ParticleTable, truth: ParticleTable) -> None:
    """ValueError where images were taken otherwise than the truth says: they are those of another simulation."""
    column = "rlnDefocusU"
    if not (column in table.data and column in truth.data):
        return
    own, other = table.numbers(column), truth.numbers(column)
    differ = np.flatnonzero(~np.isclose(own, other, rtol=1e-4))
    if len(differ):
        row = differ[0]
        what = f"{truth.path}: row {row + 1} has a {column} of {other[row]:.1f}, in {table.path} it is {own[row]:.1f}"
        raise ValueError(f"{what}; give the folder that the run's images come from")


def _pose_errors(method: CryoDRGN, truth: ParticleTable) -> PoseErrors:
    true_pose = truth.pose()
    assert true_pose is not None  # a simulation writes them
    return pose_errors(method.centring.pose.to(torch.device("cpu")), true_pose)


def _curves(
    method: CryoDRGN, latent: Float[Tensor, "images latent"], truth: ParticleTable, maps: Path, poses: PoseErrors
) -> tuple[dict[int, FSC], dict[int, FSC]]:
    """FSC with the truth of each structure's volume: at its first image's latent, and at its images' mean."""
    structure = truth.numbers("rlnClassNumber").astype(int)
    data = method.centring.data
    radius = method.centring.radius
    sphere = soft_sphere(data.box, radius, _EDGE * radius)

    def curve(latent: Tensor, true_map: Tensor) -> FSC:
        volume = poses.in_true_frame(method.volume(latent).cpu(), data.pixel_size)
        return fourier_shell_correlation(volume, true_map, data.pixel_size, sphere)

    first, middle = {}, {}
    for number in np.unique(structure).tolist():
        true_map = fourier_crop(read_map(maps / f"{number:03d}.mrc").volume, data.box, 3)
        rows = torch.from_numpy(np.flatnonzero(structure == number))
        first[number] = curve(latent[rows[0]], true_map)
        middle[number] = curve(latent[rows].mean(0), true_map)
    return first, middle


def _evaluation(
    latent: Float[Tensor, "images latent"],
    truth: ParticleTable,
    poses: PoseErrors,
    first: dict[int, FSC],
    middle: dict[int, FSC],
) -> Evaluation:
    from scipy.stats import spearmanr

    some = torch.linspace(0, len(latent) - 1, min(_MOST, len(latent))).long()
    known = truth.numbers("frazilTrueLatent")
    true_latent, own = torch.from_numpy(known)[some, None], latent[some].double()
    _, each = np.unique(truth.numbers("rlnClassNumber")[some.numpy()], return_counts=True)
    axes = principal_axes(latent.numpy()).coordinates
    areas = [curve.area() for curve in first.values()]
    return Evaluation(
        auc_per_image=float(np.mean(areas)),
        auc_per_image_worst=min(areas),
        auc_per_conformation=float(np.mean([curve.area() for curve in middle.values()])),
        neighbourhood_similarity=neighbourhood_similarity(own, true_latent, max(1, int(np.median(each)) - 1)),
        information_imbalance=information_imbalance(own, true_latent),
        rank_correlation=max(abs(spearmanr(axis, known).statistic) for axis in axes.T),
        pose_median_deg=float(poses.angle_deg.median()),
        pose_90_percent_deg=float(poses.angle_deg.quantile(0.9)),
        shift_median_angstrom=float(poses.shift.median()),
    )


def _write_areas(path: Path, first: dict[int, FSC], middle: dict[int, FSC]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["structure", "auc_per_image", "auc_per_conformation"])
        for number in first:
            writer.writerow([number, f"{first[number].area():.4f}", f"{middle[number].area():.4f}"])


def _latents_figure(latent: Float[Tensor, "images latent"], truth: ParticleTable) -> Figure:
    axes = principal_axes(latent.numpy())
    known = truth.numbers("frazilTrueLatent")
    layouts = {"against the truth": Layout(np.column_stack([known, axes.coordinates[:, 0]]), "truth", "axis 1")}
    if len(axes.axes) > 1:
        layouts["principal axes"] = Layout(axes.coordinates[:, :2], "axis 1", "axis 2")
    return scatter_figure("Latents", layouts, {"truth": known}, np.array([], int))


def _report(found: Evaluation, first: dict[int, FSC], latents: Figure, particles: Particles) -> Report:
    report = Report(f"Evaluation: {particles.table.path.name}", f"{len(particles):,} images of {len(first)} structures")
    report.headline("AUC-FSC per image", f"{found.auc_per_image:.3f}", "", "mean over shells and structures")
    report.headline("Rank correlation", f"{found.rank_correlation:.3f}", "", "of latents and truth")
    report.headline("Pose error", f"{found.pose_median_deg:.1f}", "°", "median")
    report.section("Volumes against the truth")
    some = np.unique(np.linspace(0, len(first) - 1, min(_SHOWN, len(first))).astype(int))
    numbers = [list(first)[place] for place in some]
    report.figure(fsc_figure({f"structure {number}": first[number] for number in numbers}))
    rows = [{"measure": name.replace("_", " "), "value": f"{value:.4g}"} for name, value in asdict(found).items()]
    report.table("All measures", rows)
    report.section("Latents")
    report.figure(latents)
    return report
