"""`frazil cryogem train`: a translator that makes simulated micrographs look like real ones."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from jaxtyping import Bool, Float
from torch import Tensor

from frazil.data.micrograph_files import TABLE
from frazil.data.micrographs import flattened
from frazil.data.specimens import kind_of_model, radius_of
from frazil.data.unpaired import UnpairedCrops, UnpairedSampler
from frazil.geometry import symmetry_rotations
from frazil.io import fingerprint, read_map
from frazil.io.micrographs import find_micrographs
from frazil.methods import StepContext
from frazil.methods.base import stable_seed
from frazil.methods.cryogem import PUBLISHED, PUBLISHED_LENS, CryoGEM, CryoGEMConfig
from frazil.physics import CTFRanges
from frazil.recipes.fitting.fitted_simulation import (
    MATCH,
    SIMULATED,
    lenses_from_anywhere,
    models_from_anywhere,
    read_match,
    wait_for,
    write_match,
)
from frazil.recipes.fitting.match_micrographs import FLAT, RealSet, match_simulation, read_real, with_likely_lenses
from frazil.recipes.running.learning import check_batch, fit_settings, say_if_stopped, write_report
from frazil.recipes.running.preset import set_by_user
from frazil.recipes.simulate_micrographs import (
    ExposureOptions,
    IceOptions,
    SimulateMicrographs,
    simulate_micrographs,
)
from frazil.report.cryogem import CRYOGEM_SCALARS, cryogem_report
from frazil.report.run_story import RunStory
from frazil.training import RunFolder, choose_device, fit

_BACKGROUND = "background.txt"  # spectrum of the noise that was fitted
_SHOWN = 60  # crops of each kind, whose spectra stand in the report
_GENERATED = 4  # micrographs of which they are

SimulatedField = tuple[Float[Tensor, "_y _x"], Bool[Tensor, "_y _x"]]


@dataclass(frozen=True)
class CryoGEMTrain:
    """Learn to make micrographs like real ones, from those and coarse maps, without a label (Zhang et al. 2024).

    What is simulated is fitted to the real micrographs first: how many particles there are, how strong, in what noise.
    """

    real: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MICROGRAPHS")]
    """Folder of real micrographs (MRC, PNG, TIFF), or a STAR file that names them."""
    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Maps (.mrc, protein positive; map.mrc of `frazil cryogan`, say) or atomic models of what is on them."""
    out: Path
    """Folder of the run; the same command goes on where it stopped."""
    preset: Literal["default", "paper"] = "default"
    """paper: the simulation in the paper's order, with its noise and lenses, under the ice of the real micrographs, and
    its networks on whole micrographs of 1,024 px."""
    pixel_size: float | None = None
    """Of the micrographs, in angstrom, where their files do not say."""
    particle_px: float = 40.0
    """Pixels across a particle in what is simulated and generated."""
    resolution: float | None = None
    """Where a Gaussian low-pass of the models falls to 1/e, in angstrom; Nyquist if not given."""
    symmetry: str = "C1"
    """Average the models over this point group (RELION's axes) first."""
    most: int = 100
    """Real micrographs to learn from; of more, as many are taken evenly from first to last."""
    simulated: int = 24
    """Simulated micrographs to learn from."""
    ctf: str = "ranges"
    """Lenses: the STAR file of the real micrographs' own, none, or ranges, whose defoci are found by a matched filter
    unless --defocus says them."""
    lens: Annotated[CTFRanges, tyro.conf.arg(name="")] = field(default_factory=CTFRanges)
    """Ranges of the lens; its microscope also fills what a CTF table leaves out."""
    seed: int = 0
    """Seed of everything random."""
    max_minutes: float | None = None
    """Stop after this long; the same command goes on."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """bf16-mixed: the networks in bfloat16."""
    learning: CryoGEMConfig = field(default_factory=CryoGEMConfig)
    """How it learns; what differs from the default overrides the preset."""
    given: tyro.conf.Suppress[tuple[str, ...]] = ()
    """Options that stood on the command line: they override the preset even where they equal the default."""


def train(options: CryoGEMTrain) -> int:
    """Fit the simulation, simulate, learn, and write the page; the exit code."""
    _check(options)
    preset = {"default": CryoGEMConfig(), "paper": PUBLISHED}[options.preset]
    wanted = set_by_user(options.learning, options.given)
    lens_known = options.ctf != "ranges" or "defocus" in set_by_user(options.lens, options.given)
    if options.preset == "paper":
        options = replace(options, lens=replace(PUBLISHED_LENS, **set_by_user(options.lens, options.given)))
    options = replace(options, learning=replace(preset, **wanted), given=())
    check_batch(options.learning.batch_size)
    every = find_micrographs(options.real)
    micrographs = evenly_taken(every, options.most)
    inputs = {path: fingerprint(path) for path in [*micrographs, *_other_files(options)]}
    diameter = 2 * max(radius_of(model) for model in options.models)
    real = read_real(micrographs, options.pixel_size, diameter, _unmatched(options, diameter))
    _check_crop(options.learning, real)
    choose_device(options.device)  # one that is not there is refused before anything is simulated
    folder = RunFolder.open(options.out, asdict(options), inputs)
    if folder.is_main:
        if len(micrographs) < len(every):
            print(f"{options.real}: {len(micrographs)} of {len(every)} micrographs are learnt from (--most)")
        simulate_micrographs(_matched(options, real, diameter, folder, lens_known))
    wait_for(folder.path / SIMULATED / TABLE)
    simulation = read_simulation(folder.path)
    learnt = _read_simulated(simulation, diameter)
    sampler = UnpairedSampler(learnt, real.images, options.learning.crop)
    method = CryoGEM(options.learning, options.seed)
    settings = fit_settings(options, options.learning.steps, log_every=25, precision=options.precision)
    size = options.learning.batch_size

    def batches(context: StepContext) -> UnpairedCrops:
        own = context.share(size)
        drawn = sampler.draw(size, context.generator("crops", device="cpu"))
        return UnpairedCrops(*(part[own].to(context.device) for part in drawn))

    finished = fit(method, batches, settings, folder)
    if folder.is_main:
        _report(method, real, learnt, folder, options)
        say_if_stopped(finished)
    return 0


def evenly_taken(every: Sequence[Path], most: int) -> list[Path]:
    """At most so many files, from the first to the last."""
    places = torch.linspace(0, len(every) - 1, min(most, len(every))).round().int()
    return [every[place] for place in places.tolist()]


def _check(options: CryoGEMTrain) -> None:
    if not options.models:
        raise ValueError("give one MODEL or more")
    symmetry_rotations(options.symmetry)  # an unknown one is refused before anything is read
    if options.resolution is not None and not options.resolution > 0:
        raise ValueError(f"--resolution must be positive, it is {options.resolution:g}")
    if options.most < 1:
        raise ValueError(f"--most must be 1 or more, not {options.most}")
    if options.simulated < 1 or not options.particle_px >= 8:
        raise ValueError(
            f"--simulated must be 1 or more and --particle-px 8 or more, not {options.simulated} and"
            f" {options.particle_px:g}"
        )


def _check_crop(learning: CryoGEMConfig, real: RealSet) -> None:
    for name, image in zip(real.names, real.images, strict=True):
        if min(image.shape) < learning.crop:
            sides = f"{image.shape[1]} x {image.shape[0]} px"
            raise ValueError(f"{name}: {sides} at the simulation's scale, too small for --crop {learning.crop}")


def _other_files(options: CryoGEMTrain) -> list[Path]:
    """What is read beside the micrographs: models and lenses."""
    named = [Path(model) for model in options.models if kind_of_model(model) != "phantom"]
    return [*named, Path(options.ctf)] if options.ctf not in ("ranges", "none") else named


def _unmatched(options: CryoGEMTrain, diameter: float) -> SimulateMicrographs:
    """What is simulated, before it is known how much of it."""
    return SimulateMicrographs(
        models=models_from_anywhere(options.models),
        out=options.out / SIMULATED,
        count=options.simulated,
        pixel_size=diameter / options.particle_px,
        ctf=lenses_from_anywhere(options.ctf),
        lens=options.lens,
        symmetry=options.symmetry,
        resolution=options.resolution,
        seed=options.seed,
    )


def _matched(
    options: CryoGEMTrain, real: RealSet, diameter: float, folder: RunFolder, lens_known: bool
) -> SimulateMicrographs:
    """The simulation that is like the real micrographs, as it was found when the run began."""
    if not (folder.path / MATCH).is_file():
        height, width = real.images[0].shape
        like = replace(_unmatched(options, diameter), size=(width, height))
        if options.preset == "paper":
            like = replace(like, exposure=replace(like.exposure, mode="paper"))
            like = replace(like, solvent=replace(like.solvent, ice=options.real.resolve()))
        else:
            # What is slow in the background is in its spectrum.
            like = replace(like, solvent=replace(like.solvent, ice_variation=0.0))
            if not lens_known:
                real, like = with_likely_lenses(real, like, diameter)
        match = match_simulation(real, like, diameter, folder.path / _BACKGROUND)
        write_match(folder.path, match.figures(), match.simulation)
    return read_simulation(folder.path)


def read_simulation(run: Path) -> SimulateMicrographs:
    """The simulation that was fitted in a run's folder; ValueError where there is none."""
    stored = read_match(run, "cryogem train")
    lens, exposure, solvent = (stored.pop(name) for name in ("lens", "exposure", "solvent"))
    ice = solvent["ice"] and Path(solvent["ice"])
    if exposure["noise"] != "white":
        exposure["noise"] = str((run / _BACKGROUND).resolve())  # wherever the run is now, and is called from
    return SimulateMicrographs(
        **{**stored, "out": run / SIMULATED},
        lens=CTFRanges(**lens),
        exposure=ExposureOptions(**exposure),
        solvent=IceOptions(**{**solvent, "ice": ice}),
    )


def _read_simulated(simulation: SimulateMicrographs, diameter: float) -> list[SimulatedField]:
    """The simulated micrographs as real ones are seen, and where their particles lie."""
    found = []
    for path in sorted((simulation.out / "micrographs").glob("*.mrc")):
        mask = read_map(simulation.out / "masks" / path.name).volume[0] > 0.5
        found.append((flattened(read_map(path).volume[0], FLAT * diameter / simulation.pixel_size), mask))
    return found


def _report(
    method: CryoGEM, real: RealSet, learnt: Sequence[SimulatedField], folder: RunFolder, options: CryoGEMTrain
) -> None:
    """The page: what was fitted, and crops of real, simulated and generated micrographs."""
    generator = torch.Generator().manual_seed(stable_seed(options.seed, "shown"))
    generated = [(method.translate_field(image, generator), mask) for image, mask in learnt[:_GENERATED]]
    crop = options.learning.crop
    simulated, made = (
        UnpairedSampler(fields, real.images, crop).draw(_SHOWN, torch.Generator().manual_seed(1))
        for fields in (learnt[:_GENERATED], generated)
    )
    match = json.loads((folder.path / MATCH).read_text())
    story = RunStory(f"CryoGEM: {options.real.resolve().name}", CRYOGEM_SCALARS, folder)
    crops = {"real": simulated.real, "simulated": simulated.simulated, "generated": made.simulated}
    write_report(cryogem_report(match, crops, story), folder)
