"""What a run of cryoDRGN leaves: latents, volumes and the report."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data import Particles
from frazil.geometry import Pose, fourier_crop
from frazil.io import ParticleTable, atomic_path, hold_folder, write_map, write_particles
from frazil.methods.cryodrgn import CryoDRGN, Latents
from frazil.methods.cryodrgn.latent_space import (
    Clusters,
    PrincipalAxes,
    among_structures,
    cluster,
    embed,
    principal_axes,
    way_through,
)
from frazil.metrics import view_dependence
from frazil.recipes.running.learning import write_report
from frazil.recipes.running.particle_run import SHOWN
from frazil.recipes.running.progress import progress_bar
from frazil.report import Figure, isosurfaces_figure
from frazil.report.cryodrgn import CRYODRGN_SCALARS, Findings, cryodrgn_report
from frazil.report.run_story import RunStory
from frazil.report.scatter import Layout, scatter_figure
from frazil.report.structures import volumes_figure
from frazil.training import RunFolder

_COLOURS = ("rlnDefocusU", "rlnAngleTilt", "rlnAngleRot", "rlnClassNumber", "frazilTrueLatent")
"""Columns of a table by which points may be coloured, if they are there."""
_AT_ONCE = 1024  # images between two looks at the clock
_SERIES = re.compile(r"(cluster|axis\d+|way|map)_\d+\.mrc")  # names of the files of volumes
_TABLE = "volumes.csv"
_SURFACES = "axis1", "map"  # series that the page shows as surfaces too; all of them would make it heavy
_COMPARED = 64  # px a side of volumes that are compared
_ENDS = 5, 95  # percentiles of the images along an axis, from one to the other of which a way leads


@dataclass(frozen=True)
class Analysis:
    """How latents are looked at."""

    clusters: int = 12
    """Parts of the latent space (k-means), each with the volume of the image nearest to its middle."""
    axes: int = 2
    """Principal axes along which volumes are made."""
    steps: int = 10
    """Volumes along each axis."""
    settle: bool = True
    """Move each latent to where the volume there suits its image better than at the encoder's guess, which takes as
    long as some passes of learning."""
    umap: bool = True
    """Lay the latents out by UMAP too, which takes minutes for 100,000 images."""
    structures: int = 50
    """Volumes that are compared with each other, to lay the images out by density instead of by latents; 0 to do
    without."""
    way: tuple[int, ...] = ()
    """Rows, from 1, of images past which a way leads from neighbour to neighbour; default from one end of the first
    principal axis to the other."""
    colours: tuple[str, ...] = ()
    """More columns of the particle file, of numbers, by which the points may be coloured."""

    def __post_init__(self) -> None:
        for name, least in {"clusters": 1, "axes": 0, "steps": 2, "structures": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"--{name} must be {least} or more, not {getattr(self, name)}")
        if len(self.way) == 1 or any(start == end for start, end in pairwise(self.way)):
            raise ValueError("--way needs two images or more, each another than the one before")

    def check(self, particles: Particles, latent_dim: int) -> None:
        """ValueError where the particles, or their latents of so many numbers, have not what is asked for."""
        if not latent_dim and self != Analysis():
            raise ValueError("a run with --latent-dim 0 has one volume and no latents to look at otherwise")
        for row in self.way:
            if not 1 <= row <= len(particles):
                raise ValueError(f"--way {row}: there are images 1 to {len(particles)}")
        for column in self.colours:
            if column not in particles.table.data:
                raise ValueError(f"{particles.table.path}: no column {column}")
            particles.table.numbers(column)


QUICK = Analysis(settle=False, umap=False, structures=0)
"""What takes no minutes, for when the time is up."""


def write_analysis(method: CryoDRGN, particles: Particles, folder: RunFolder, how: Analysis) -> None:
    """Particles with their poses and latents, volumes, and the report."""
    folder.locks.append(hold_folder(folder.path / "volumes"))  # a look while it learns may meet the end's
    data, pose = method.centring.data, method.centring.pose.to(torch.device("cpu"))
    table, looks, view = _table(method, particles, pose, folder), None, 0.0
    if method.config.latent_dim:
        latents = all_latents(method, how.settle)
        latent = latents.mean.numpy()
        axes, parts = principal_axes(latent), cluster(latent, how.clusters, seed=0)
        columns = {f"frazilLatent{number}": values for number, values in enumerate(latent.T, 1)}
        table = table.with_columns(**columns, frazilLatentSpread=_spread(latents), frazilCluster=parts.label + 1)
        way = _way(latent, axes, how)
        layouts = _layouts(method, latents, axes, how)
        looks = scatter_figure("Latents", layouts, _colours(parts, particles, how.colours), parts.centre)
        view = view_dependence(latents.mean, pose.rotation)
        series = [Series("cluster", latent[parts.centre], parts.centre)]
        series += [Series(f"axis{n + 1}", axes.along(n, how.steps)) for n in range(min(how.axes, len(axes.axes)))]
        series += [Series("way", latent[way], np.array(way))] if way else []
    else:
        series = [Series("map", np.zeros((1, 0)))]
    volumes = _write_volumes(method, folder.path / "volumes", series)
    write_particles(folder.path / "particles.star", table)
    rows = torch.arange(min(SHOWN, len(particles)))
    story = RunStory(
        title=f"cryoDRGN: {particles.table.path.name}",
        scalars=CRYODRGN_SCALARS,
        folder=folder,
        real=data.images(rows),
        simulated=method.examples(len(rows), seed=0),
    )
    found = Findings(
        latents=looks,
        volumes=volumes,
        fsc={f"image {row + 1}": curve for row, curve in method.half_map_fsc().items()},
        view_dependence=view,
        pixel_size=data.pixel_size,
        told=_told(method, particles, folder),
    )
    write_report(cryodrgn_report(found, story), folder)


@dataclass(frozen=True)
class Series:
    """Volumes that are looked at one after the other."""

    name: str
    latents: Float[np.ndarray, "volumes latent"]
    rows: np.ndarray | None = None
    """Of the images whose latents these are, from 0; None where they are no image's."""

    @property
    def files(self) -> list[str]:
        """Names of the volumes' files."""
        return [f"{self.name}_{number:02d}.mrc" for number in range(1, len(self.latents) + 1)]

    def table(self) -> pd.DataFrame:
        """Which image and which latent each file is of."""
        row = [""] * len(self.files) if self.rows is None else self.rows + 1
        latent = {f"frazilLatent{number}": values for number, values in enumerate(self.latents.T, 1)}
        return pd.DataFrame({"file": self.files, "row": row, **latent})


def _told(method: CryoDRGN, particles: Particles, folder: RunFolder) -> str:
    count, held_out = len(particles), len(method.split.held_out)
    across = 2 * method.centring.radius * method.centring.data.pixel_size
    shade = "light" if particles.sign > 0 else "dark"
    poses = "inferred (poses/report.html)" if (folder.path / "poses" / "report.html").exists() else "given"
    return f"{count:,} images, {held_out:,} held out · particles {across:.0f} Å across, {shade} · poses {poses}"


def _clear(volumes: Path) -> None:
    """An empty folder of volumes: those of an earlier look, other clusters say, would be taken for this one's."""
    volumes.mkdir(exist_ok=True)
    (volumes / _TABLE).unlink(missing_ok=True)
    for path in volumes.glob("*_*.mrc"):
        if _SERIES.fullmatch(path.name):
            path.unlink()


def all_latents(method: CryoDRGN, settled: bool = True) -> Latents:
    """Of every image, settled or as the encoder guesses them, in memory."""
    count, found = method.centring.data.count, []
    one = method.latents if settled else method.guesses
    with progress_bar("latents", count) as advance:
        for rows in torch.arange(count).split(_AT_ONCE):
            found.append(one(rows).to(torch.device("cpu")))
            advance(len(rows))
    return Latents.joined(found)


def _table(method: CryoDRGN, particles: Particles, pose: Pose, folder: RunFolder) -> ParticleTable:
    """The particles as they came, with the half set that each was in, and the poses if these are others than theirs."""
    table = particles.table
    if method.split.halves:
        table = table.with_half_sets(particles.half_sets(folder.record()["config"]["seed"]))
    try:
        own = particles.pose
    except ValueError:  # angles that are no numbers, which inferring poses had no need of
        own = None
    if own is not None and torch.equal(own.rotation, pose.rotation) and torch.equal(own.shift, pose.shift):
        return table
    return table.with_pose(pose)


def _spread(latents: Latents) -> np.ndarray:
    """Standard deviation of each image's latent, mean over its numbers: how unsure it is."""
    return (0.5 * latents.log_variance).exp().mean(-1).numpy()


def _write_volumes(method: CryoDRGN, folder: Path, series: Sequence[Series]) -> list[Figure]:
    """Maps at the series' latents, a table of what each is, and a picture of each series."""
    _clear(folder)
    with progress_bar("volumes", sum(len(each.latents) for each in series)) as advance:
        figures = [figure for each in series for figure in _write_series(method, folder, each, advance)]
    with atomic_path(folder / _TABLE) as path:
        pd.concat([each.table() for each in series]).to_csv(path, index=False, lineterminator="\n")
    return figures


def _way(latent: np.ndarray, axes: PrincipalAxes, how: Analysis) -> list[int]:
    """Rows of images on a way through the latents, evenly picked; none between islands, unless one is asked for."""
    stops = [row - 1 for row in how.way]
    if not stops:
        along = axes.coordinates[:, 0]
        stops = [int(np.abs(along - end).argmin()) for end in np.percentile(along, _ENDS)]
    try:
        way = way_through(latent, stops)
    except ValueError:
        if how.way:
            raise
        return []
    return [way[place] for place in np.unique(np.linspace(0, len(way) - 1, how.steps).round().astype(int))]


def _write_series(method: CryoDRGN, folder: Path, series: Series, advance: Callable[[int], None]) -> list[Figure]:
    pixel_size, volumes = method.centring.data.pixel_size, {}
    for number, (name, latent) in enumerate(
        zip(series.files, torch.from_numpy(series.latents).float(), strict=True), 1
    ):
        volume = method.volume(latent).cpu()
        write_map(folder / name, volume, pixel_size)
        volumes[str(number)] = volume.numpy()
        advance(1)
    titles = {
        "cluster": "The image in the middle of each cluster",
        "map": "The volume of all particles",
        "way": "From neighbour to neighbour",
    }
    title = titles.get(series.name, f"Along principal axis {series.name.removeprefix('axis')}")
    pictures = volumes_figure(title, volumes, pixel_size)
    if series.name not in _SURFACES:
        return [pictures]
    return [isosurfaces_figure(volumes, pixel_size, f"{title}, as surfaces"), pictures]


def _layouts(method: CryoDRGN, latents: Latents, axes: PrincipalAxes, how: Analysis) -> dict[str, Layout]:
    """The latents by their principal axes, a single number by how sure it is; by their volumes; laid out flat."""
    latent = latents.mean.numpy()
    points = np.column_stack([axes.coordinates, _spread(latents)])[:, :2]
    layouts = {"principal axes": Layout(points, *[*_names("axis", axes), "standard deviation"][:2])}
    rows = cluster(latent, how.structures, seed=0).centre if how.structures else np.array([], int)
    if len(rows) > 2:
        found = among_structures(latent, rows, _densities(method, latents.mean[rows]))
        layouts["volumes"] = Layout(found.coordinates[:, :2], *_names("component", found)[:2])
    if how.umap:
        with progress_bar("UMAP", 1) as advance:
            layouts["UMAP"] = Layout(embed(latent, seed=0), "UMAP 1", "UMAP 2")
            advance(1)
    return layouts


def _names(what: str, axes: PrincipalAxes) -> list[str]:
    return [f"{what} {number}, {100 * share:.0f} % of the variance" for number, share in enumerate(axes.share, 1)]


def _densities(method: CryoDRGN, latents: Float[Tensor, "structures latent"]) -> Float[np.ndarray, "structures voxels"]:
    """The volumes at some latents, at no more detail than comparing them takes."""
    box = min(method.centring.data.box, _COMPARED)
    return np.stack([fourier_crop(method.volume(latent).cpu(), box, 3).flatten().numpy() for latent in latents])


def _colours(parts: Clusters, particles: Particles, more: Sequence[str]) -> dict[str, np.ndarray]:
    """What the points may be coloured by."""
    table = particles.table
    there = [name for name in _COLOURS if name in table.data]
    usual = [name for name in there if np.isfinite(pd.to_numeric(table.data[name], errors="coerce")).all()]
    known = {name: table.numbers(name) for name in (*usual, *more)}
    if "rlnMicrographName" in table.data:
        known["rlnMicrographName"] = pd.factorize(table.data["rlnMicrographName"])[0].astype(float)
    return {"cluster": parts.label + 1.0, **known}
