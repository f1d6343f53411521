"""`frazil refine`: a map that is roughly right and particles in, poses and two half maps of their own out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
import tyro

from frazil.data import HalfSets
from frazil.geometry import Pose, soft_sphere, symmetry_rotations
from frazil.inference import ParticleImages
from frazil.inference.map_of_poses import map_of_poses
from frazil.io import fingerprint, read_map, write_particles
from frazil.methods.base import stable_seed
from frazil.methods.refine import Refine, RefineConfig
from frazil.metrics import HalfMaps, compare_half_maps, on_grid, sharpened, write_half_maps
from frazil.physics import low_pass, white_noise
from frazil.recipes.running.learning import fit_settings, say_if_stopped, write_report
from frazil.recipes.running.particle_run import SHOWN, ParticleRun, open_run
from frazil.report import poses_figure
from frazil.report.reconstruction import reconstruction_report
from frazil.report.refine import REFINE_SCALARS
from frazil.report.run_story import RunStory
from frazil.training import RunFolder, fit

_ANNEAL = 100  # iterations of a start by chance, at most
_CLOUD = 0.6  # of the particle's radius


@dataclass(frozen=True)
class RefineRun(ParticleRun):
    """Refine a map: the pose of every particle from the map, a map of each half from the poses, in turns."""

    reference: Path | None = None
    """Map to start from (MRC), of any box and pixel size; map.mrc of `frazil cryogan`, say. Without one the start is
    chance, and the images settle on a shape (--anneal, at most 100 iterations unless it says otherwise)."""
    from_poses: tyro.conf.FlagCreatePairsOff[bool] = False
    """Start from the maps that the table's poses make, each half its own; of `frazil pose apply`, say."""
    refining: RefineConfig = field(default_factory=RefineConfig)


def run(options: RefineRun) -> int:
    """Refine both halves and write what a run leaves; the exit code."""
    refine(options)
    return 0


def refine(options: RefineRun) -> Pose | None:
    """The same; the particles' poses, the same on all ranks, or None where the time was up before the end."""
    symmetry_rotations(options.refining.symmetry)  # an unknown one is refused before anything is read
    if options.from_poses and options.reference is not None:
        raise ValueError("a refinement starts from --reference or --from-poses, not from both")
    data = open_run(options)
    if options.from_poses and data.particles.pose is None:
        raise ValueError(f"{options.particles}: holds no angles (rlnAngleRot, ...) for --from-poses")
    box = min(options.box, data.particles.box)
    pixel_size = data.particles.pixel_size(box)
    if options.reference is None and not options.from_poses and not options.refining.anneal:
        options = replace(options, refining=replace(options.refining, anneal=_ANNEAL))
    radius = data.support.radius
    settings = fit_settings(options, options.refining.anneal + options.refining.iterations, log_every=1)
    half_sets = HalfSets(data.particles, options.seed)
    start = [] if options.from_poses else [_start(options, box, pixel_size, radius)] * 2
    inputs = data.particles.fingerprints()
    if options.reference is not None:
        inputs |= {options.reference: fingerprint(options.reference)}
    folder = RunFolder.open(options.out, asdict(options), inputs)
    if folder.is_main:
        data.say_what_was_chosen()
    half_sets.check(box)  # also reads the images that are kept, before two threads ask for them
    images = [_half_images(half_sets, half, box, options) for half in range(2)]
    if options.from_poses:
        start = _maps_of_poses(half_sets, images, options.refining.symmetry, radius / pixel_size)
    method = Refine(options.refining, images, start, data.support)
    finished = fit(method, lambda _: None, settings, folder)
    if folder.is_main:
        if method.refined:  # before, the halves have no maps of their own to compare
            _export(method, half_sets, folder, options)
        say_if_stopped(finished)
    if not finished:
        return None
    found = _found(method, half_sets)
    return Pose(found["rotation"], found["shift"])


def _start(options: RefineRun, box: int, pixel_size: float, radius: float) -> torch.Tensor:
    """The map that was given, or a cloud of chance, half as strong as the ball that it is in."""
    if options.reference is not None:
        reference = read_map(options.reference)
        if len(set(shape := reference.volume.shape)) > 1:
            sides = " x ".join(map(str, shape))
            raise ValueError(f"{options.reference}: a map must be a cube, but this one has {sides} voxels (z y x)")
        if not reference.volume.std() > 0:
            raise ValueError(f"{options.reference}: the map is empty, the same in each voxel")
        return on_grid(reference.volume, reference.pixel_size, box, pixel_size)
    ball = soft_sphere(box, _CLOUD * radius / pixel_size, _CLOUD * radius / pixel_size / 3)
    generator = torch.Generator().manual_seed(stable_seed(options.seed, "start"))
    detail = options.refining.start_resolution
    cloud, ball = (low_pass(each, pixel_size, detail) for each in (ball * white_noise(ball.shape, generator), ball))
    return ball + 0.5 * ball.std() / cloud.std() * cloud


def _maps_of_poses(
    half_sets: HalfSets, images: Sequence[ParticleImages], symmetry: str, radius_px: float
) -> list[torch.Tensor]:
    """What each half's images make at the poses of the table."""
    group, maps = symmetry_rotations(symmetry), []
    for half, own in zip(half_sets.halves, images, strict=True):
        pose = half.pose
        assert pose is not None
        maps.append(map_of_poses(own, pose, group, radius_px))
    return maps


def _half_images(half_sets: HalfSets, half: int, box: int, options: RefineRun) -> ParticleImages:
    return options.particle_images(half_sets.halves[half], lambda rows: half_sets.images(half, rows, box))


def _export(method: Refine, half_sets: HalfSets, folder: RunFolder, options: RefineRun) -> HalfMaps:
    """Half maps, map, FSC, particles with their poses, and the report."""
    first, second = (half.map.cpu() for half in method.halves)
    pixel_size = half_sets.particles.pixel_size(len(first))
    maps, b_factor = sharpened(compare_half_maps(first, second, pixel_size))  # in one frame from the start
    write_half_maps(folder.path, maps)
    found = _found(method, half_sets)
    _write_star(found, half_sets, folder.path / "particles.star")
    rows = torch.arange(min(SHOWN, len(half_sets.halves[0])))
    poses = poses_figure(found["rotation"], found["certainty"], symmetry_rotations(method.config.symmetry))
    story = RunStory(
        title=f"Refinement: {options.particles.name}",
        scalars=REFINE_SCALARS,
        folder=folder,
        real=half_sets.images(0, rows, len(first)),
        simulated=method.examples(SHOWN, options.seed),
        stages={"annealing": 0, "halves apart": method.annealed_in} if method.annealed_in else {},
        found={"Poses": poses},
    )
    sharpening = "too coarse to be sharpened" if b_factor is None else f"B-factor {b_factor:.0f} square angstrom undone"
    print(f"half-map resolution {maps.resolution:.1f} angstrom (FSC 0.143), {sharpening}")
    write_report(reconstruction_report(maps, story), folder)
    return maps


def _found(method: Refine, half_sets: HalfSets) -> dict[str, torch.Tensor]:
    """Rotation, shift, score and certainty of all particles in the table's order."""
    halves = [half.state_dict() for half in method.halves]
    names = ("rotation", "shift", "score", "certainty")
    return {name: half_sets.in_table_order([half[name].cpu() for half in halves]) for name in names}


def _write_star(found: dict[str, torch.Tensor], half_sets: HalfSets, path: Path) -> None:
    """The particles as they came, with the pose that was found of each, and how sure it is."""
    scores = {
        "rlnLogLikeliContribution": found["score"].numpy(),
        "rlnMaxValueProbDistribution": found["certainty"].numpy(),
    }
    write_particles(path, half_sets.table().with_pose(Pose(found["rotation"], found["shift"])).with_columns(**scores))
