"""`frazil cryoetgan train`: a translator that makes simulated subtomograms look like real ones."""

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from frazil.data.kept_images import epoch_rows
from frazil.data.ranks import ranks
from frazil.data.specimens import kind_of_model, radius_of
from frazil.data.subtomogram_files import TABLE
from frazil.data.subtomograms import Subtomograms, read_subtomograms
from frazil.data.unpaired import UnpairedVolumes
from frazil.io import fingerprint, fingerprint_of_ends
from frazil.io.particle_table import refuse_twice
from frazil.methods import StepContext
from frazil.methods.base import stable_seed
from frazil.methods.cryoetgan import (
    PUBLISHED,
    RELEASED,
    CryoETGAN,
    CryoETGANConfig,
    check_box,
    check_pool,
)
from frazil.physics import CTFRanges
from frazil.physics.missing_wedge import missing_wedge
from frazil.physics.tilt_backprojection import Correction
from frazil.physics.tilt_scheme import TILT_SERIES_LENS, TiltScheme
from frazil.recipes.fitting.fitted_simulation import (
    MATCH,
    SIMULATED,
    lenses_from_anywhere,
    models_from_anywhere,
    read_match,
    wait_for,
    write_match,
)
from frazil.recipes.fitting.match_subtomograms import match_subtomograms
from frazil.recipes.fitting.taken_series import as_taken, correction_of
from frazil.recipes.running.classifiers import Labelled
from frazil.recipes.running.learning import check_batch, fit_settings, say_if_stopped, write_report
from frazil.recipes.running.light_protein import Contrast, with_light_protein
from frazil.recipes.running.preset import set_by_user
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, simulate_subtomograms, structures_of
from frazil.report.cryoetgan import CRYOETGAN_SCALARS, cryoetgan_report
from frazil.report.run_story import RunStory
from frazil.training import RunFolder, choose_device, fit

_NOISE = "noise.txt"  # spectrum of the noise that was fitted
_MEASURED, _VOXELS = 400, 2**26  # real subtomograms by which the simulation is fitted, or more if they are small
_TOMOGRAMS = 40  # and more, where volumes suffice
_SHOWN = 60  # volumes of each kind, whose spectra stand in the report
_PRESETS = {"default": CryoETGANConfig(), "paper": PUBLISHED, "aitom": RELEASED}


@dataclass(frozen=True)
class CryoETGANTrain:
    """Learn to make subtomograms like real ones, from those and the structures' densities, unlabelled (Wu et al. 2022).

    What is simulated is fitted to the real ones first: the range of tilts, how images were weighted by them, how far
    out of focus they are, the noise, how strong molecules are.
    """

    real: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SUBTOMOGRAMS")]
    """RELION's table of real subtomograms (rlnImageName one MRC volume each), or a folder of MRC volumes: cubes of 24
    voxels or more, a multiple of 4, cut out of tomograms without turning them, the tilt axis along y."""
    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Maps (.mrc, protein positive), atomic models, or the words pseudo-protein and membrane: what is in them."""
    out: Path
    """Folder of the run; the same command goes on where it stopped."""
    preset: Literal["default", "paper", "aitom"] = "default"
    """paper: bare densities, two translators and a Wasserstein loss, as the paper says. aitom: as its released code
    does."""
    pixel_size: float | None = None
    """Voxel size in angstrom, where neither table nor headers say it."""
    contrast: Contrast = "auto"
    """Protein in the real ones; auto measures it. What is generated has light protein."""
    simulated: int = 400
    """Simulated subtomograms to learn from."""
    resolution: float | None = None
    """Where a Gaussian low-pass of the models falls to 1/e, in angstrom; Nyquist if not given."""
    shift_percent: float = 5.0
    """Largest distance of a molecule from the middle of its box along each axis, in percent of the box."""
    correction: Correction | None = None
    """What was done about the lens in the real ones: none, phase-flip or wiener; what their table says
    (frazilCtfCorrection, rlnCtfDataArePhaseFlipped), if not given, or else phase-flip."""
    tomograms: Path | None = None
    """RELION 5's or WarpTools' table of the tomograms that the real ones are of: tilts, dose and lenses as it says."""
    ctf: str = "ranges"
    """Lenses: a STAR, .cs or .npy table whose rows are drawn, ranges (see --defocus), or none."""
    lens: Annotated[CTFRanges, tyro.conf.arg(name="")] = TILT_SERIES_LENS
    """Ranges of the lens; its microscope also fills what a CTF table leaves out. A --defocus that is given is not
    measured."""
    tilts: Annotated[TiltScheme, tyro.conf.arg(name="")] = field(default_factory=TiltScheme)
    """How tilt series were taken; a --tilt-range or --tilt-weighting that is given is not measured."""
    seed: int = 0
    """Seed of everything random."""
    max_minutes: float | None = None
    """Stop after this long; the same command goes on."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """bf16-mixed: the networks in bfloat16."""
    learning: CryoETGANConfig = field(default_factory=CryoETGANConfig)
    """How it learns; what differs from the default overrides the preset."""
    given: tyro.conf.Suppress[tuple[str, ...]] = ()
    """Options that stood on the command line: they override the preset even where they equal the default."""


def train(options: CryoETGANTrain) -> int:
    """Fit the simulation, simulate, learn, and write the page; the exit code."""
    if not options.models:
        raise ValueError("give one MODEL or more")
    if options.simulated < len(options.models):
        raise ValueError(f"--simulated {options.simulated}: fewer subtomograms than models")
    if options.resolution is not None and not options.resolution > 0:
        raise ValueError(f"--resolution must be positive, it is {options.resolution:g}")
    wanted = set_by_user(options.learning, options.given)
    learning, given = replace(_PRESETS[options.preset], **wanted), options.given
    known = {"tilt_range", "tilt_weighting"} & set_by_user(options.tilts, given).keys()
    if "defocus" in given or options.lens.defocus != TILT_SERIES_LENS.defocus:
        known |= {"defocus"}
    if options.tilts.pretilts and not (options.tomograms or "tilt_range" in known):
        raise ValueError("--pretilts: give --tilt-range too, which is not measured where tomograms differ in it")
    options = replace(options, learning=learning, given=(), models=models_from_anywhere(options.models))
    check_batch(learning.batch_size)
    check_pool(learning, ranks())
    settings = fit_settings(options, learning.steps, log_every=25, precision=options.precision)
    real = _read(options)
    if options.tomograms is not None:
        tilts, lens = as_taken(options.tomograms, real, options.tilts, options.lens, given)
        known |= {"tilt_range"} | ({"defocus"} if lens != options.lens else set())
        options = replace(options, tilts=tilts, lens=lens)
    options = replace(options, correction=correction_of(real, options.correction))
    choose_device(options.device)  # one that is not there is refused before anything is simulated
    named = [Path(model) for model in options.models if kind_of_model(model) != "phantom"]
    taken = [options.tomograms] if options.tomograms else []
    read = [path for path in (options.real, *named, Path(options.ctf), *taken) if path.is_file()]
    inputs = {path: fingerprint(path) for path in read} | {path: fingerprint_of_ends(path) for path in real.paths}
    targets = real.volumes()
    folder = RunFolder.open(options.out, asdict(options), inputs)
    if folder.is_main and not (folder.path / SIMULATED / TABLE).is_file():
        simulate_subtomograms(_matched(options, real, folder, known))
    wait_for(folder.path / SIMULATED / TABLE)
    simulation = read_simulation(folder.path)
    simulated = _labelled(read_subtomograms(simulation.out / TABLE))
    method = new_method(options.learning, simulation, options.seed)
    finished = fit(
        method,
        _batches(simulated, targets, options),
        settings,
        folder,
    )
    if folder.is_main:
        _report(method, targets, simulated, folder, options)
        say_if_stopped(finished)
    return 0


def _read(options: CryoETGANTrain) -> Subtomograms:
    """The real ones, protein light."""
    real = read_subtomograms(options.real, options.pixel_size)
    refuse_twice(real.paths, options.real)
    print(f"{options.real}: {len(real)} subtomograms of {real.box} voxels of {real.pixel_size:.4g} angstrom")
    try:
        check_box(real.box, options.learning)
    except ValueError as error:
        raise ValueError(f"{options.real}: {error}") from None
    radius, room = max(map(radius_of, options.models)), real.box * real.pixel_size / 2
    if radius > room:
        raise ValueError(
            f"{options.real}: molecules reach {radius:.1f} angstrom from their middle, boxes of {real.box} voxels of"
            f" {real.pixel_size:.4g} angstrom {room:.1f}; is that the voxel size (--pixel-size)?"
        )
    return with_light_protein(real, options.contrast, radius)


def _batches(
    simulated: Labelled, real: Float[Tensor, "real box box box"], options: CryoETGANTrain
) -> Callable[[StepContext], UnpairedVolumes]:
    """Volumes of both kinds, each of them as often as the others."""
    size = options.learning.batch_size
    made, label = simulated

    def draw(context: StepContext) -> UnpairedVolumes:
        own = context.share(size)
        first, second = (
            epoch_rows(torch.arange(len(volumes)), context.step, size, stable_seed(options.seed, name))[own]
            for name, volumes in {"simulated": made, "real": real}.items()
        )
        parts = (made[first], real[second], label[first])
        return UnpairedVolumes(*(part.to(context.device) for part in parts))

    return draw


def _labelled(simulated: Subtomograms) -> Labelled:
    """Simulated volumes, and the place among the models of what each shows."""
    classes = simulated.classes()
    if classes is None:
        raise ValueError(f"{simulated.source}: says no classes; it is not what was simulated")
    return simulated.volumes(), classes - 1


def new_method(learning: CryoETGANConfig, simulation: SimulateSubtomograms, seed: int) -> CryoETGAN:
    """The networks, which have learnt nothing yet."""
    seen = ~missing_wedge(simulation.tilts.series(None).rotation, simulation.box)
    return CryoETGAN(learning, seen, seed, len(simulation.models))


def _unmatched(options: CryoETGANTrain, real: Subtomograms) -> SimulateSubtomograms:
    """What is simulated, before it is known how noisy."""
    return SimulateSubtomograms(
        models=models_from_anywhere(options.models),
        out=options.out / SIMULATED,
        count=options.simulated,
        box=real.box,
        pixel_size=real.pixel_size,
        shift_percent=options.shift_percent,
        tilts=options.tilts,
        correction=options.correction or "phase-flip",
        per_tomogram=per_tomogram(options.simulated, options.tilts),
        ctf=lenses_from_anywhere(options.ctf),
        lens=options.lens,
        resolution=options.resolution,
        seed=options.seed,
    )


def per_tomogram(count: int, tilts: TiltScheme) -> int:
    """So many of each tomogram that lenses are drawn often, and all pretilts occur."""
    return max(1, min(50, count // max(_TOMOGRAMS, len(tilts.pretilts))))


def _matched(
    options: CryoETGANTrain, real: Subtomograms, folder: RunFolder, known: Collection[str]
) -> SimulateSubtomograms:
    """The simulation that is like the real subtomograms, as it was found when the run began."""
    if not (folder.path / MATCH).is_file():
        like = _unmatched(options, real)
        radius = max(radius_of(model) for model in options.models)
        # Tables are often sorted by tomogram or class.
        order = torch.randperm(len(real), generator=torch.Generator().manual_seed(options.seed))
        few = real.volumes(order[: max(_MEASURED, _VOXELS // real.box**3)].sort().values.tolist())
        match = match_subtomograms(few, like, radius, folder.path / _NOISE, known)
        simulation = match.simulation
        if options.learning.start == "density":
            simulation = _bare(simulation, options.learning.density_noise)
        write_match(folder.path, match.figures(), simulation)
    return read_simulation(folder.path)


def _bare(simulation: SimulateSubtomograms, noise: float) -> SimulateSubtomograms:
    """Densities whose noise has a standard deviation, where protein is 1."""
    power = float(torch.stack(structures_of(simulation)).double().var((1, 2, 3)).mean())
    snr_db = 10 * float(torch.log10(torch.tensor(power / noise**2))) if noise else float("inf")
    return replace(simulation, mode="density", noise="white", correction="phase-flip", snr_db=snr_db)


def read_simulation(run: Path) -> SimulateSubtomograms:
    """The simulation that was fitted in a run's folder; ValueError where there is none."""
    stored = read_match(run, "cryoetgan train")
    lens, tilts = (stored.pop(part) for part in ("lens", "tilts"))
    if stored["noise"] != "white":
        stored["noise"] = str((run / _NOISE).resolve())  # wherever the run is now, and is called from
    return SimulateSubtomograms(
        **{**stored, "out": run / SIMULATED},
        lens=CTFRanges(**lens),
        tilts=TiltScheme(**tilts),
    )


def _report(
    method: CryoETGAN,
    real: Float[Tensor, "real box box box"],
    simulated: Labelled,
    folder: RunFolder,
    options: CryoETGANTrain,
) -> None:
    """The page: what was fitted, and slices of real, simulated and generated volumes."""
    generator = torch.Generator().manual_seed(stable_seed(options.seed, "shown"))
    few, label = (part[:_SHOWN] for part in simulated)
    pairs = zip(few.split(4), label.split(4), strict=True)
    generated = torch.cat([method.translate(some, shown, method.noise_for(some, generator)) for some, shown in pairs])
    some = torch.randperm(len(real), generator=generator)[:_SHOWN].sort().values  # tables are often sorted
    match = json.loads((folder.path / MATCH).read_text())
    story = RunStory(f"CryoETGAN: {options.real.resolve().name}", CRYOETGAN_SCALARS, folder)
    kinds = {
        "real": (real[some], None),
        "simulated": (few, label + 1),
        "generated": (generated, label + 1),
    }
    write_report(cryoetgan_report(match, kinds, story), folder)
