"""`frazil cryodrgn`: particles in, a latent for each of them and volumes for the latents out."""

from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from frazil.data import ImageBatch, KeptImages, Particles, epoch_rows
from frazil.geometry import Pose, symmetry_rotations
from frazil.inference import ParticleImages
from frazil.io import fingerprint, read_particles, read_record
from frazil.io.cryodrgn import read_poses
from frazil.methods import StepContext
from frazil.methods.base import stable_seed
from frazil.methods.cryodrgn import CryoDRGN, CryoDRGNConfig, Split
from frazil.recipes import refine
from frazil.recipes.results.cryodrgn_results import QUICK, Analysis, write_analysis
from frazil.recipes.running.learning import check_batch, fit_settings, is_exported, say_if_stopped
from frazil.recipes.running.particle_run import OpenParticles, ParticleRun, open_run
from frazil.recipes.running.read_ahead import ReadAhead
from frazil.training import RunFolder, choose_device, fit, newest

_FROM_STAR, _INFER = "from-star", "infer"
_POSE_STEP = 0.5  # of Newton's
_POSES = "poses"  # folder of the refinement that infers them


@dataclass(frozen=True)
class CryoDRGNRun(ParticleRun):
    """Continuous distributions of structures from particles (cryoDRGN, Zhong et al. 2021), their poses known or not."""

    poses: str = _FROM_STAR
    """from-star: the table's angles and origins. infer: from the images alone, by a refinement (`frazil refine`) of
    what all particles have in common, which is left in poses/. Or a file of cryoDRGN's (.pkl)."""
    init: Path | None = None
    """Map (MRC) that poses are inferred from at first; map.mrc of `frazil cryogan`, say. Default: chance."""
    symmetry: str = "C1"
    """Point group of what all particles have in common, in RELION's settings, while poses are inferred."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """bf16-mixed: the networks in bfloat16, two to three times as fast where the processor has it."""
    log_every: int = 100
    """Steps between two lines of the log."""
    learning: CryoDRGNConfig = field(default_factory=CryoDRGNConfig)
    """How it learns."""

    @property
    def pose_file(self) -> Path | None:
        """Where poses are read from, if not from the table. ValueError for what is no file."""
        if self.poses in (_FROM_STAR, _INFER):
            return None
        if not Path(self.poses).is_file():
            raise ValueError(f"--poses {self.poses}: is neither {_FROM_STAR}, nor {_INFER}, nor a file")
        return Path(self.poses)


def run(options: CryoDRGNRun) -> int:
    """Learn, and write what a run leaves; the exit code."""
    if options.init is not None and options.poses != _INFER:
        raise ValueError(f"--init {options.init}: a map is only asked for with --poses infer")
    if options.symmetry != "C1" and options.poses != _INFER:
        raise ValueError(
            f"--symmetry {options.symmetry}: is only asked for with --poses infer; given poses are used as they are"
        )
    file = options.pose_file
    options = replace(options, learning=_with_defaults(options), poses=str(file.resolve()) if file else options.poses)
    check_batch(options.learning.batch_size, options.learning.halves)
    opened = open_run(options)
    particles = opened.particles
    pose = None if options.poses == _INFER else _known_pose(options, opened)
    split = split_rows(particles, options.learning, options.seed)
    steps = options.learning.steps(len(split.learnt))
    settings = fit_settings(options, steps, log_every=options.log_every, precision=options.precision)
    folder = RunFolder.open(options.out, asdict(options), _inputs(options, particles))
    if folder.is_main:
        opened.say_what_was_chosen()
    if pose is None:
        pose = _infer(options, folder)
    if pose is None:
        return 0
    method = CryoDRGN(options.learning, _data(options, particles), pose, split, opened.support, options.seed)
    finished = fit(method, ReadAhead(batches(method, options.seed)), settings, folder)
    # By a later analysis maybe, which another would write over.
    if folder.is_main and finished and is_exported(options.out):
        print(f"{options.out}: learnt and analysed before; `frazil cryodrgn-analyze` looks at it otherwise")
    elif folder.is_main:
        say_if_stopped(finished)
        write_analysis(method, particles, folder, Analysis() if finished else QUICK)
    return 0


def _inputs(options: CryoDRGNRun, particles: Particles) -> dict[Path, str]:
    """What each file holds that is read."""
    others = [path for path in (options.init, options.pose_file) if path is not None]
    return particles.fingerprints() | {path: fingerprint(path) for path in others}


def _with_defaults(options: CryoDRGNRun) -> CryoDRGNConfig:
    """Poses that were inferred can be improved by what is learnt; those given are a user's own."""
    learning, inferred = options.learning, options.poses == _INFER
    searches = int(inferred) if learning.searches is None else learning.searches
    pose_step = _POSE_STEP * inferred if learning.pose_step is None else learning.pose_step
    return replace(learning, searches=searches, pose_step=pose_step)


def _infer(options: CryoDRGNRun, folder: RunFolder) -> Pose | None:
    """The poses of all images against what they have in common; None where the time did not suffice."""
    refining = refine.RefineConfig(symmetry=options.symmetry)
    shared = options.shared(folder, _POSES)
    found = refine.refine(refine.RefineRun(**shared, reference=options.init, refining=refining))
    return None if found is None else from_all_sides(found, options)


def from_all_sides(pose: Pose, options: CryoDRGNRun) -> Pose:
    """Poses that a symmetric refinement has found, each changed for one that the point group makes the same, by chance.

    Those found are views of one part of the sphere, and what is learnt has no symmetry that would fill the rest.
    """
    group = symmetry_rotations(options.symmetry).to(pose.rotation)
    generator = torch.Generator().manual_seed(stable_seed(options.seed, "equivalent"))
    return Pose(pose.rotation @ group[torch.randint(len(group), (len(pose),), generator=generator)], pose.shift)


def load(out: Path, device: str = "auto") -> tuple[CryoDRGN, Particles]:
    """The models of a run as its newest checkpoint has them, on a device, and its particles.

    ValueError for what is no such run.
    """
    config = read_record(out / "config.json", "config")["config"]
    of_another_version = f"{out}: holds no run of this version's frazil cryodrgn"
    try:
        learning, init = CryoDRGNConfig(**config["learning"]), config.get("init")
        paths = {"particles": Path(config["particles"]), "init": init and Path(init), "out": out}
        options = CryoDRGNRun(**{**config, **paths, "learning": learning})
    except (KeyError, TypeError) as error:
        raise ValueError(of_another_version) from error
    stored = newest(out / "checkpoints")
    if stored is None:
        raise ValueError(f"{out}: has learnt nothing yet")
    opened = open_run(options)
    RunFolder(out).refuse_changed(_inputs(options, opened.particles))
    data, split = _data(options, opened.particles), split_rows(opened.particles, learning, options.seed)
    pose = from_all_sides(_inferred_pose(out), options) if options.poses == _INFER else _known_pose(options, opened)
    method = CryoDRGN(learning, data, pose, split, opened.support, options.seed)
    try:
        method.load_state_dict(stored.method)
    except (KeyError, RuntimeError) as error:
        raise ValueError(of_another_version) from error
    chosen = choose_device(device)
    method.to(chosen)
    low = options.precision == "bf16-mixed"
    method.autocast = partial(torch.autocast, chosen.type, torch.bfloat16, enabled=low)
    return method, opened.particles


def _data(options: CryoDRGNRun, particles: Particles) -> ParticleImages:
    """The images, each of which was looked at."""
    box = min(options.box, particles.box)
    kept = KeptImages(particles)
    kept.check(box)
    return options.particle_images(particles, lambda rows: kept.images(rows, box))


def _known_pose(options: CryoDRGNRun, opened: OpenParticles) -> Pose:
    particles, path = opened.particles, options.pose_file
    field, reach = particles.box * particles.pixel_size(), opened.support.max_shift
    pose = particles.pose if path is None else read_poses(path, field)
    if pose is not None and len(pose) != len(particles):
        raise ValueError(f"{path}: {len(pose)} poses, but {particles.table.path} holds {len(particles)} images")
    if pose is None:
        raise ValueError(
            f"{particles.table.path}: holds no angles (rlnAngleRot, rlnAngleTilt, rlnAnglePsi);"
            " --poses infer finds poses"
        )
    shift = pose.shift.norm(dim=-1)
    if shift[worst := int(shift.argmax())] > field / 2:
        raise ValueError(
            f"{path or particles.table.path}: row {worst + 1} is shifted by {shift[worst]:.4g} angstrom, out of its box"
            f" of {field:g}; are these pixels?"
        )
    if options.learning.searches and shift[worst] > reach:
        raise ValueError(
            f"{path or particles.table.path}: row {worst + 1} is shifted by {shift[worst]:.4g} angstrom, but --searches"
            f" looks no farther than {reach:.4g}; give a larger --shift-percent"
        )
    return pose


def _inferred_pose(out: Path) -> Pose:
    pose = read_particles(out / _POSES / "particles.star").pose()
    assert pose is not None  # a refinement writes them
    return pose


def split_rows(particles: Particles, config: CryoDRGNConfig, seed: int) -> Split:
    """The images held out, by chance, and those that each model learns from."""
    generator = torch.Generator().manual_seed(stable_seed(seed, "held out"))
    image = particles.image_numbers()  # one that stands in several rows is held out in all or in none
    order = torch.randperm(int(image.max()) + 1, generator=generator)
    held = torch.isin(image, order[: round(config.held_out * len(order))])
    learnt, held_out = (~held).nonzero()[:, 0], held.nonzero()[:, 0]
    halves = None
    if config.halves:
        number = torch.from_numpy(particles.half_sets(seed).astype(np.int64))[learnt]
        halves = (learnt[number == 1], learnt[number == 2])
    counts = [len(half) for half in halves or (learnt,)]
    if not min(counts):
        left = " and ".join(map(str, counts))
        raise ValueError(f"{particles.table.path}: with {len(held_out)} images held out, {left} are left to learn from")
    return Split(learnt, held_out, halves)


def batches(method: CryoDRGN, seed: int):
    """The images of a step for each model, every one once in a pass."""
    data = method.centring.data

    def draw(context: StepContext) -> list[ImageBatch]:
        drawn = []
        for number, (rows, learner) in enumerate(zip(method.split.sets, method.learners, strict=True)):
            own = epoch_rows(rows, context.step, learner.batch_size, stable_seed(seed, "order", number))
            part = own[context.share(learner.batch_size)]
            drawn.append(ImageBatch(part, data.images(part)))
        return drawn

    return draw
