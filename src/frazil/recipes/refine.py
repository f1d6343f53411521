"""`frazil refine`: a map that is roughly right and particles in, poses and two half maps of their own out."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from frazil.geometry import Pose, symmetry_rotations
from frazil.io import fingerprint, read_map, write_particles
from frazil.methods.refine import HalfImages, Refine, RefineConfig
from frazil.metrics import HalfMaps, compare_half_maps, on_grid, sharpened, write_half_maps
from frazil.recipes.particle_run import OpenParticles, ParticleRun, open_run
from frazil.report import poses_figure
from frazil.report.reconstruction import RunStory, reconstruction_report
from frazil.report.refine import REFINE_SCALARS
from frazil.training import FitSettings, RunFolder, fit

_SHOWN = 24  # images of each kind in the report


@dataclass(frozen=True)
class RefineRun(ParticleRun):
    """Refine a map: the pose of every particle from the map, a map of each half from the poses, in turns."""

    reference: Path = field(kw_only=True)
    """Map to start from (MRC), of any box and pixel size; map.mrc of `frazil cryogan`, say."""
    refining: RefineConfig = field(default_factory=RefineConfig)


def run(options: RefineRun) -> int:
    """Refine both halves and write what a run leaves; the exit code."""
    symmetry_rotations(options.refining.symmetry)  # an unknown one is refused before anything is read
    data = open_run(options)
    box = min(options.box, data.particles.box)
    pixel_size = data.particles.pixel_size(box)
    reference = read_map(options.reference)
    start = on_grid(reference.volume, reference.pixel_size, box, pixel_size)
    settings = FitSettings(
        steps=options.refining.settle + options.refining.iterations,
        seed=options.seed,
        log_every=1,
        max_minutes=options.max_minutes,
        device=options.device,
    )
    data.half_sets.check(box)  # also reads the images that are kept, before two threads ask for them
    images = [_half_images(data, half, box, options) for half in range(2)]
    method = Refine(options.refining, images, [start, start], (data.particles.radius, data.max_shift))
    inputs = {**data.particles.fingerprints(), options.reference: fingerprint(options.reference)}
    folder = RunFolder.open(options.out, asdict(options), inputs)
    if folder.is_main:
        data.say_what_was_chosen()
    finished = fit(method, lambda _: None, settings, folder)
    if folder.is_main:
        if method.refined:  # before, the halves have no maps of their own to compare
            _export(method, data, folder, options)
        if not finished:
            print(f"stopped after {options.max_minutes:g} minutes; the same command goes on")
    return 0


def _half_images(data: OpenParticles, half: int, box: int, options: RefineRun) -> HalfImages:
    particles = data.half_sets.halves[half]
    return HalfImages(
        images=lambda rows: data.half_sets.images(half, rows, box),
        ctf=None if options.no_ctf else particles.ctf,
        count=len(particles),
        box=box,
        pixel_size=particles.pixel_size(box),
    )


def _export(method: Refine, data: OpenParticles, folder: RunFolder, options: RefineRun) -> HalfMaps:
    """Half maps, map, FSC, particles with their poses, and the report."""
    first, second = (half.map.cpu() for half in method.halves)
    box = len(first)
    pixel_size = data.particles.pixel_size(box)
    maps, b_factor = sharpened(compare_half_maps(first, second, pixel_size, method.config.symmetry))
    write_half_maps(folder.path, maps)
    found = _found(method, data.half_sets.number)
    _write_star(found, data, folder.path / "particles.star")
    rows = torch.arange(min(_SHOWN, len(data.half_sets.halves[0])))
    story = RunStory(
        title=f"Refinement: {options.particles.name}",
        scalars=REFINE_SCALARS,
        real=data.half_sets.images(0, rows, box),
        simulated=method.examples(_SHOWN, options.seed),
        stages={"settling": 0, "halves apart": method.settled_in} if method.settled_in else {},
        record=folder.record(),
        log=folder.path / "log.jsonl",
        poses=poses_figure(found["rotation"], found["certainty"], symmetry_rotations(method.config.symmetry)),
    )
    page = reconstruction_report(maps, story).write(folder.path / "report.html")
    sharpening = "too coarse to be sharpened" if b_factor is None else f"B-factor {b_factor:.0f} square angstrom undone"
    print(f"half-map resolution {maps.resolution:.1f} angstrom (FSC 0.143), {sharpening}\nreport: {page}")
    return maps


def _found(method: Refine, number: np.ndarray) -> dict[str, torch.Tensor]:
    """Rotation, shift, score and certainty of all particles in the table's order, which mixes the halves."""
    order = torch.from_numpy(np.argsort(np.argsort(number, kind="stable")))
    halves = [half.state_dict() for half in method.halves]
    names = ("rotation", "shift", "score", "certainty")
    return {name: torch.cat([half[name].cpu() for half in halves])[order] for name in names}


def _write_star(found: dict[str, torch.Tensor], data: OpenParticles, path: Path) -> None:
    """The particles as they came, with the pose that was found of each, and how sure it is."""
    table = data.particles.table.with_half_sets(data.half_sets.number)
    scores = {
        "rlnLogLikeliContribution": found["score"].numpy(),
        "rlnMaxValueProbDistribution": found["certainty"].numpy(),
    }
    write_particles(path, table.with_pose(Pose(found["rotation"], found["shift"])).with_columns(**scores))
