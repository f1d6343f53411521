"""`frazil pose train`, `frazil pose apply`: an encoder of poses from particles whose poses are known; its guesses."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro

from frazil.data import Particles, open_particles
from frazil.data.kept_images import KeptImages, draw_rows
from frazil.geometry import Pose, symmetry_rotations
from frazil.io import atomic_path, read_record, refuse_what_is_there, write_particles
from frazil.methods import StepContext
from frazil.methods.base import stable_seed
from frazil.methods.pose import PoseConfig, PosedImages, PoseLearner
from frazil.nets.pose_encoder import check_encoder_box
from frazil.recipes.running.learning import fit_settings, load_learnt, say_if_stopped, write_report
from frazil.recipes.running.progress import progress_bar
from frazil.report.pose import POSE_SCALARS, pose_report
from frazil.report.run_story import RunStory
from frazil.training import RunFolder, choose_device, fit

_MOST_HELD_OUT = 1000
_ALIKE = 0.02  # by how much boxes of training and of use may differ
_AT_ONCE = 256  # images


@dataclass(frozen=True)
class PoseTrain:
    """Train an encoder of poses on particles whose poses are known, those cut from generated micrographs above all."""

    particles: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PARTICLES")]
    """STAR file with angles; of `frazil extract` on micrographs of `frazil cryogem generate`, say."""
    out: Path
    """Folder of the run; the same command goes on where it stopped."""
    symmetry: str = "C1"
    """Point group of the particle, by RELION's axes: poses that it makes alike count as one."""
    contrast: Literal["dark", "light", "auto"] = "auto"
    """Protein in the images as they are on file."""
    diameter: float | None = None
    """Particle diameter in angstrom; default 75 % of the box."""
    box: int = 48
    """Pixels to which images are Fourier-cropped, a multiple of 16."""
    held_out: float = 0.05
    """Share of the images by which the encoder is judged, and from which it does not learn."""
    seed: int = 0
    """Seed of everything random."""
    max_minutes: float | None = None
    """Stop after this long; the same command goes on."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """bf16-mixed: the network in bfloat16."""
    learning: PoseConfig = field(default_factory=PoseConfig)
    """How it learns."""


@dataclass(frozen=True)
class PoseApply:
    """Guess the poses of particles with an encoder that was trained; `frazil refine --from-poses` begins with them."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of `frazil pose train`."""
    particles: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PARTICLES")]
    """STAR or .cs file of particles, in boxes as wide in angstrom as those that were learnt from."""
    out: Path
    """STAR file to write: the particles with angles."""
    contrast: Literal["dark", "light", "auto"] = "auto"
    """Protein in the images as they are on file."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""


def train(options: PoseTrain) -> int:
    """Learn, and write the report; the exit code."""
    symmetry_rotations(options.symmetry)  # an unknown one is refused before anything is read
    check_encoder_box(options.box)
    if not 0 <= options.held_out < 1:
        raise ValueError(f"--held-out must lie in 0 ... 1, it is {options.held_out:g}")
    particles = open_particles(options.particles, options.contrast, options.diameter and options.diameter / 2)
    pose = particles.pose
    if pose is None:
        raise ValueError(f"{options.particles}: holds no angles (rlnAngleRot, rlnAngleTilt, rlnAnglePsi) to learn from")
    box = options.box
    order = torch.randperm(len(particles), generator=torch.Generator().manual_seed(stable_seed(options.seed, "split")))
    count = min(_MOST_HELD_OUT, round(options.held_out * len(particles)), len(particles) - 1)
    held_out, learnt = order[:count], order[count:]
    kept = KeptImages(particles)
    kept.check(box)

    def posed(rows: torch.Tensor) -> PosedImages:
        return PosedImages(kept.images(rows, box), pose.rotation[rows])

    method = PoseLearner(options.learning, box, options.symmetry, options.seed, posed(held_out) if count else None)
    size = options.learning.batch_size

    def batches(context: StepContext) -> PosedImages:
        generator = context.generator("rows", device="cpu")
        drawn = posed(learnt[draw_rows(len(learnt), size, generator, context.share(size))])
        return PosedImages(*(part.to(context.device) for part in drawn))

    folder = RunFolder.open(options.out, asdict(options), particles.fingerprints())
    settings = fit_settings(options, options.learning.steps, precision=options.precision)
    finished = fit(method, batches, settings, folder)
    if folder.is_main:
        _report(method, particles, folder, options)
        say_if_stopped(finished)
    return 0


def _report(method: PoseLearner, particles: Particles, folder: RunFolder, options: PoseTrain) -> None:
    with atomic_path(folder.path / "pose.json") as temporary:
        temporary.write_text(json.dumps({"field": particles.box * particles.pixel_size(), "radius": particles.radius}))
    errors = method.errors()
    story = RunStory(f"Pose encoder: {options.particles.resolve().parent.name}", POSE_SCALARS, folder)
    if errors is not None:
        radians = float(torch.deg2rad(errors.median()))
        print(f"median error {float(errors.median()):.1f} degrees ({radians:.3f} rad) of {len(errors)} images held out")
    write_report(pose_report(None if errors is None else errors.cpu().numpy(), story), folder)


def apply(options: PoseApply) -> None:
    """Write the particles with the poses guessed."""
    refuse_what_is_there(options.out)
    if options.out.suffix.lower() != ".star":
        raise ValueError(f"{options.out}: the file to write must end in .star")
    method, learnt = _load(options.run, options.device)
    particles = open_particles(options.particles, options.contrast, learnt["radius"])
    width = particles.box * particles.pixel_size()
    if abs(width / learnt["field"] - 1) > _ALIKE:
        raise ValueError(
            f"{options.particles}: boxes are {width:.0f} angstrom wide, but those learnt from {learnt['field']:.0f};"
            " extract them in boxes as wide (--box)"
        )
    box, device = round(learnt["box"]), choose_device(options.device)
    rotation = []
    with progress_bar("particles", len(particles)) as advance:
        for rows in torch.arange(len(particles)).split(_AT_ONCE):
            rotation.append(method.guess(particles.images(rows.numpy(), box).to(device)).cpu())
            advance(len(rows))
    shift = particles.table.shifts()
    write_particles(options.out, particles.table.with_pose(Pose(torch.cat(rotation), shift)))
    print(f"{options.out}: {len(particles)} particles")


def _load(run: Path, device: str) -> tuple[PoseLearner, dict[str, float]]:
    """The encoder of a run, and what images it was taught; ValueError for what is no such run."""

    def make(config: dict[str, Any]) -> PoseLearner:
        return PoseLearner(PoseConfig(**config["learning"]), config["box"], config["symmetry"], 0, None)

    method = load_learnt(run, make, choose_device(device), "pose train", "pose.json")
    box = read_record(run / "config.json", "config")["config"]["box"]
    return method, {**json.loads((run / "pose.json").read_text()), "box": box}
