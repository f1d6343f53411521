"""`frazil cryogan`: particles with unknown poses in, two half maps and a report out."""

import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

from frazil.data import (
    HalfSets,
    Particles,
    assumed_pixel_size,
    draw_rows,
    neighbour_offsets,
    surrounding_noise,
    uploaded,
)
from frazil.geometry import symmetry_rotations
from frazil.io import read_record, stored_configuration, write_particles
from frazil.methods import StepContext
from frazil.methods.cryogan import CryoGAN, CryoGANConfig, HalfConditions, HalfReconstruction, published_recipe
from frazil.metrics import HalfMaps, compare_half_maps, write_half_maps
from frazil.physics import GaussianEulerRotations, TriangularShifts, UniformRotations
from frazil.recipes import refine
from frazil.recipes.running.learning import fit_settings, is_exported, say_if_stopped, write_report
from frazil.recipes.running.particle_run import SHOWN, ParticleRun, open_run
from frazil.recipes.running.preset import set_by_user
from frazil.report.cryogan import CRYOGAN_SCALARS
from frazil.report.reconstruction import reconstruction_report
from frazil.report.run_story import RunStory
from frazil.training import RunFolder, fit
from frazil.training.launch import launch

_EXPORTS = "half1.mrc", "half2.mrc", "map.mrc", "fsc.csv", "particles.star"
_NEARLY_ROUND, _ANNEAL = 12, 100  # order of the group; iterations at most
_FAINTEST = 1e-3  # the least power that a particle is given
_REFINABLE = 24.0  # angstrom: a refinement takes up a start to 30, so finer stages would be for nothing


@dataclass(frozen=True)
class CryoGANRun(ParticleRun):
    """A 3-D map from particle images with unknown poses (CryoGAN, Gupta et al. 2021), with half maps and a report."""

    preset: Literal["default", "paper"] = "default"
    """paper: the published recipe, penalty per pixel and all."""
    refine: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on from the map with `frazil refine`, in the folder refine/ of the run. The map itself then takes fewer steps
    and stages, unless --steps or --boxes says how many."""
    finer: Literal["needed", "always"] = "needed"
    """needed: a finer stage only where the halves agree (FSC 0.5) to the finest detail that the one before can show.
    always: every stage."""
    neighbours: Literal["picks", "none"] = "picks"
    """Other particles in the simulated images, where the table's coordinates say. They count in rlnMicrographPixelSize,
    or else in what the micrographs' headers say, or else in rlnMicrographOriginalPixelSize: if micrographs were binned
    since, give none, and a diameter."""
    euler_variance: float | None = None
    """Expect Euler angles from a Gaussian of covariance diag(this, 2, 1) square radians instead of uniform views."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """bf16-mixed: the critic's convolutions in bfloat16."""
    log_every: int = 100
    """Steps between two lines of the log."""
    learning: CryoGANConfig = field(default_factory=CryoGANConfig)
    """How it learns; what differs from the default overrides the preset."""
    given: tyro.conf.Suppress[tuple[str, ...]] = ()
    """Options that stood on the command line: they override the preset even where they equal the default."""


def run(options: CryoGANRun) -> int:
    """Reconstruct both halves and write what a run leaves; the exit code."""
    symmetry_rotations(options.learning.symmetry)  # an unknown one is refused before anything is read
    if options.euler_variance is not None and not options.euler_variance > 0:
        raise ValueError(f"--euler-variance must be positive, it is {options.euler_variance:g}")
    options = replace(options, box=_largest_box(options))
    data = open_run(options)
    particles, half_sets = data.particles, HalfSets(data.particles, options.seed)
    near = _neighbours(particles) if options.neighbours == "picks" else None
    usual = _usual(options, particles, near is not None)
    other = _usual(replace(options, refine=not options.refine), particles, near is not None)
    if _begun_with(_for_images(other, options, particles), options.out):
        usual = other  # --refine may come later, and does not make another run of what is there
    config = _for_images(usual, options, particles)
    settings = fit_settings(options, sum(config.steps), log_every=options.log_every, precision=options.precision)
    if not options.out.exists():
        half_sets.check(config.boxes[0])
    reach = 1.0 if options.finer == "needed" else math.inf
    method = CryoGAN(config, conditions(half_sets, near, options, config), data.support, reach)
    inputs = particles.fingerprints()
    record = asdict(replace(options, learning=config))
    for name in ("refine", "given"):  # they change nothing of the map itself
        del record[name]
    folder = RunFolder.open(options.out, record, inputs)
    if folder.is_main:
        data.say_what_was_chosen()
        _say_if_shorter(config, usual, particles)
        if near is not None and (assumed := assumed_pixel_size(particles.table)):
            print(assumed)
    finished = fit(method, real_batches(half_sets, method), settings, folder)
    # Other machines round differently, and the refinement has begun from this very map.
    if folder.is_main and finished and is_exported(options.out, *_EXPORTS):
        print(f"{options.out}: learnt before, its maps are there\nreport: {options.out / 'report.html'}")
    elif folder.is_main:
        _export(method, half_sets, folder, options)
        if method.fine_enough:
            print(f"the map holds less than images of {method.halves[0].box} px show: finer stages are left out")
        say_if_stopped(finished)
    return _refine(options, config, folder) if options.refine and finished else 0


def _refine(options: CryoGANRun, config: CryoGANConfig, folder: RunFolder) -> int:
    """The map that was found as the start of a refinement, in what is left of the time."""
    # Seen at CryoGAN's detail, a particle of that many equal sides is nearly round: its shape has to be found first.
    round_ = len(symmetry_rotations(config.symmetry)) >= _NEARLY_ROUND
    refining = refine.RefineConfig(symmetry=config.symmetry, anneal=_ANNEAL if round_ else 0)
    launch(options.device, options.precision).barrier()  # one rank has just written the map, and all read it
    shared = options.shared(folder, "refine")
    return refine.run(refine.RefineRun(**shared, reference=folder.path / "map.mrc", refining=refining))


def _set(options: CryoGANRun) -> dict[str, Any]:
    return set_by_user(options.learning, options.given)


def _for_images(usual: CryoGANConfig, options: CryoGANRun, particles: Particles) -> CryoGANConfig:
    """The recipe, with a smoother critic and in fewer steps for few images, unless the user or the preset says."""
    count, given = len(particles) // 2, set(_set(options))
    if options.preset == "paper":
        return usual
    if usual.adversary == "cross-entropy" and "penalty_weight" not in given:
        usual = usual.smoothed(count)
    return usual if "steps" in given else usual.for_images(count)


def _begun_with(config: CryoGANConfig, out: Path) -> bool:
    """Whether the folder holds a run that learns like this."""
    file = out / "config.json"
    if not file.is_file():
        return False
    return read_record(file, "config")["config"].get("learning") == stored_configuration(asdict(config))


def _say_if_shorter(config: CryoGANConfig, usual: CryoGANConfig, particles: Particles) -> None:
    if config.steps != usual.steps:
        stages = ", ".join(f"{stage.steps} at {stage.box} px" for stage in config.stages)
        print(f"{len(particles)} particles: {stages} are steps enough, unless --boxes and --steps say otherwise")


def _usual(options: CryoGANRun, particles: Particles, crowded: bool) -> CryoGANConfig:
    """The preset, with what the user set, and no stage finer than the images or the box asked for."""
    box = min(options.box, particles.box)
    preset = CryoGANConfig() if options.preset == "default" else published_recipe(box, len(particles) // 2)
    config = replace(preset, **_set(options)).up_to(box)
    if "boxes" not in _set(options):
        config = config.reaching(box)
    if options.refine and options.preset == "default" and not {"boxes", "steps"} & set(_set(options)):
        config = config.rough(particles.box * particles.pixel_size(), _REFINABLE)
    if config.conditions == "auto":
        # What is measured between neighbours still holds some of them, and their picks are better centred than most.
        config = replace(config, conditions="learnt" if crowded else "given")
    return config


def _largest_box(options: CryoGANRun) -> int:
    """What --box says, or the last of --boxes where only those were given."""
    boxes = _set(options).get("boxes")
    return options.box if boxes is None or "box" in options.given else max(options.box, *boxes)


def conditions(
    half_sets: HalfSets, near: torch.Tensor | None, options: CryoGANRun, config: CryoGANConfig
) -> list[HalfConditions]:
    """How each half's images were taken; `near` as of `neighbour_offsets`, None for particles that stand alone."""
    return [
        _half_conditions(half, None if near is None else near[half_sets.number == number], options, config)
        for number, half in enumerate(half_sets.halves, 1)
    ]


def _neighbours(particles: Particles) -> torch.Tensor | None:
    """Of both halves: all that reach into a particle's box."""
    field_ = particles.box * particles.pixel_size()
    return neighbour_offsets(particles.table, particles.radius, particles.radius + field_ / 2**0.5)


def _half_conditions(
    half: Particles, near: torch.Tensor | None, options: CryoGANRun, config: CryoGANConfig
) -> HalfConditions:
    field_ = half.box * half.pixel_size()
    views = UniformRotations() if options.euler_variance is None else GaussianEulerRotations(options.euler_variance)
    return HalfConditions(
        rotations=views,
        shifts=TriangularShifts(options.shift_percent, field_),
        ctf=None if options.no_ctf else half.ctf,
        noise=surrounding_noise(half, config.boxes, near),
        particles=len(half),
        field=field_,
        neighbours=near,
        signal_power=max(_FAINTEST, half.signal_power(config.boxes[0])),
    )


def real_batches(half_sets: HalfSets, method: CryoGAN):
    """Real images of a step for both halves: (critic steps, share, box, box) each."""

    def draw(context: StepContext) -> list[torch.Tensor]:
        stage = method.config.stage(context.step)
        share = context.share(stage.batch_size)
        batches = []
        for half, particles in enumerate(half_sets.halves):
            generator = context.generator("images", half, device="cpu")
            steps = range(method.config.critic_steps)
            rows = torch.cat([draw_rows(len(particles), stage.batch_size, generator, share) for _ in steps])
            shown = _shown(half_sets.images(half, rows, stage.box), rows, method.halves[half])
            batches.append(shown.unflatten(0, (len(steps), -1)))
        return batches

    return draw


def _shown(images: torch.Tensor, rows: torch.Tensor, half: HalfReconstruction) -> torch.Tensor:
    """Images of some rows of a half, on its device, as the recipe wants them."""
    ctf = half.conditions.ctf
    lenses = None if ctf is None else ctf[uploaded(rows, half.device)]
    return half.filtered(uploaded(images, half.device), lenses)


def _export(method: CryoGAN, half_sets: HalfSets, folder: RunFolder, options: CryoGANRun) -> HalfMaps:
    """Half maps, map, FSC, particles with their half sets, and the report."""
    first, second = (half.volume().cpu() for half in method.halves)
    pixel_size = method.halves[0].pixel_size
    maps = compare_half_maps(first, second, pixel_size, method.config.symmetry)
    write_half_maps(folder.path, maps)
    write_particles(folder.path / "particles.star", half_sets.table())
    rows = torch.arange(min(SHOWN, len(half_sets.halves[0])))
    story = RunStory(
        title=f"CryoGAN: {options.particles.name}",
        scalars=CRYOGAN_SCALARS,
        folder=folder,
        real=_shown(half_sets.halves[0].images(rows, len(first)), rows, method.halves[0]).cpu(),
        simulated=method.examples(SHOWN, options.seed),
        images="Real and simulated images" + (", phases flipped" if "phase-flip" in method.config.views else ""),
        stages={f"{stage.box} px": stage.start for stage in method.config.stages},
    )
    print(f"half-map resolution {maps.resolution:.1f} angstrom (FSC 0.143)")
    write_report(reconstruction_report(maps, story), folder)
    return maps
