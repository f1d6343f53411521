"""`frazil cryodrgn`: particles with poses in, a latent for each of them and volumes for the latents out."""

from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
import torch

from frazil.data import ImageBatch, KeptImages, Particles, epoch_rows
from frazil.geometry import Pose
from frazil.inference import ParticleImages
from frazil.methods import StepContext
from frazil.methods.base import stable_seed
from frazil.methods.cryodrgn import CryoDRGN, CryoDRGNConfig, Split
from frazil.recipes.cryodrgn_analysis import Analysis, write_analysis
from frazil.recipes.particle_run import ParticleRun, open_run
from frazil.training import RunFolder, fit


@dataclass(frozen=True)
class CryoDRGNRun(ParticleRun):
    """Continuous distributions of structures from particles of known poses (cryoDRGN, Zhong et al. 2021)."""

    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """bf16-mixed: the networks in bfloat16, two to three times as fast where the processor has it."""
    log_every: int = 100
    """Steps between two lines of the log."""
    learning: CryoDRGNConfig = field(default_factory=CryoDRGNConfig)
    """How it learns."""


def run(options: CryoDRGNRun) -> int:
    """Learn, and write what a run leaves; the exit code."""
    if options.learning.latent_dim == 0:
        raise ValueError("--latent-dim 0: particles that are all alike are what `frazil refine` is for")
    opened = open_run(options)
    particles, config = opened.particles, options.learning
    box = min(options.box, particles.box)
    images = KeptImages(particles)
    images.check(box)
    split = split_rows(particles, config, options.seed)
    data = ParticleImages(
        images=lambda rows: images.images(rows, box),
        ctf=None if options.no_ctf else particles.ctf,
        count=len(particles),
        box=box,
        pixel_size=particles.pixel_size(box),
    )
    method = CryoDRGN(config, data, _poses(particles), split, opened.support, options.seed)
    steps = config.epochs * method.steps_of_epoch
    settings = options.fit_settings(steps, log_every=options.log_every, precision=options.precision)
    folder = RunFolder.open(options.out, asdict(options), particles.fingerprints())
    if folder.is_main:
        opened.say_what_was_chosen()
    finished = fit(method, batches(method, options.seed), settings, folder)
    if folder.is_main:
        method.to(torch.device("cpu"))
        write_analysis(method, particles, folder, Analysis())
        options.say_if_stopped(finished)
    return 0


def _poses(particles: Particles) -> Pose:
    pose = particles.pose
    if pose is None:
        raise ValueError(f"{particles.table.path}: holds no angles (rlnAngleRot, rlnAngleTilt, rlnAnglePsi)")
    return pose


def split_rows(particles: Particles, config: CryoDRGNConfig, seed: int) -> Split:
    """The images held out, by chance, and those that each model learns from."""
    generator = torch.Generator().manual_seed(stable_seed(seed, "held out"))
    order = torch.randperm(len(particles), generator=generator)
    count = round(config.held_out * len(particles))
    learnt, held_out = order[count:].sort().values, order[:count].sort().values
    if not config.halves:
        return Split(learnt, held_out, None)
    number = torch.from_numpy(particles.half_sets(seed).astype(np.int64))[learnt]
    return Split(learnt, held_out, (learnt[number == 1], learnt[number == 2]))


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
