"""`frazil simulate subtomograms`: small volumes out of tomograms, each with its label, made from models."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from jaxtyping import Float
from rich.console import Console
from torch import Tensor

from frazil.data.data_set_folder import make_folder, refuse_another_run
from frazil.data.lens_tables import ctf_prior
from frazil.data.measured_curves import noise_power
from frazil.data.specimens import equally_dense, radius_of
from frazil.data.subtomogram_files import OUTPUTS, TABLE, SubtomogramFiles
from frazil.data.subtomogram_scenes import FIELD, SubtomogramScene
from frazil.data.tomograms_written import TomogramFrame
from frazil.data.workers import MOST_WORKERS, in_order, one_thread_per_operation
from frazil.io import hold_folder, write_map
from frazil.io.fingerprint import told_by_contents
from frazil.physics import CTFRanges, UniformShifts
from frazil.physics.subtomograms import DensityImaging, PeiImaging, SubtomogramImaging, TiltSeriesImaging
from frazil.physics.tilt_backprojection import Correction
from frazil.physics.tilt_scheme import TILT_SERIES_LENS, TiltScheme
from frazil.recipes.running.progress import progress_bar

_TRUTH = "truth"  # folder of the structures' maps


@dataclass(frozen=True)
class SimulateSubtomograms:
    """Simulate subtomograms with the pose, the class and the lens of every molecule; protein is light in them.

    Every molecule is seen in each image of a tilt series through its own lens, with the noise of its own electrons, and
    back-projected. The same command goes on where it stopped. Labels come as RELION 5's tables.
    """

    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Atomic models (.pdb, .cif, .gz too), maps (.mrc; protein positive), or the words pseudo-protein and membrane;
    subtomograms show them in turns (rlnClassNumber)."""
    out: Path
    """Folder for subtomograms/, truth/, particles.star, tomograms.star and tilt_series/."""
    count: int = 400
    """Number of subtomograms."""
    box: int = 40
    """Side of the subtomograms in voxels."""
    pixel_size: float = 10.0
    """Voxel size in angstrom."""
    snr_db: float = -13.0
    """10 log10(var(clean) / var(noise)) over the whole box, all subtomograms together."""
    shift_percent: float = 5.0
    """Largest distance along x, y and z between a molecule and the middle of its box, in percent of the box."""
    per_tomogram: int = 50
    """Subtomograms of each tomogram, whose lens they share."""
    tilts: Annotated[TiltScheme, tyro.conf.arg(name="")] = field(default_factory=TiltScheme)
    """How tilt series are taken."""
    mode: Literal["physics", "pei", "density"] = "physics"
    """physics: images of a tilt series, back-projected. pei: the baseline of Pei et al. 2016, noise in the volume
    before and after one round CTF, then a wedge cut out. density: no microscope, white noise on the structures."""
    correction: Correction = "phase-flip"
    """What is done about the lens before back-projection: none, phase-flip (its signs put right) or wiener."""
    noise: str = "white"
    """Noise of an image: white, a table of frequency (1/angstrom) and power, or a stack of background images."""
    halves: bool = False
    """Write the subtomograms of even and odd movie frames too (half1/, half2/): same signal, noise of their own."""
    ctf: str = "ranges"
    """Lens of each tomogram: ranges (see --defocus), none, or a STAR, .cs or .npy table whose rows are drawn."""
    lens: Annotated[CTFRanges, tyro.conf.arg(name="")] = TILT_SERIES_LENS
    """Ranges of the lens; its microscope also fills what a CTF table leaves out."""
    resolution: float | None = None
    """Where a Gaussian low-pass of the models falls to 1/e, in angstrom; Nyquist if not given."""
    seed: int = 0
    """Same seed and options, same bytes, whatever the number of workers."""
    workers: int | None = None
    """Threads that make subtomograms; the number of cores, 8 at most, if not given."""


def simulate_subtomograms(options: SimulateSubtomograms) -> None:
    """Write the subtomograms and their labels; says what it wrote on the terminal.

    Raises ValueError, FileNotFoundError or OSError with a sentence for options, files or disks that will not do.
    """
    _check(options)
    refuse_another_run(options.out, configuration(options), OUTPUTS)
    console = Console(stderr=True, soft_wrap=True)
    if (options.out / TABLE).is_file():
        console.print(f"{options.out}: already simulated with these options")
        return
    with one_thread_per_operation(), hold_folder(options.out):
        volumes = structures_of(options)
        scene = scene_of(options, volumes)
        files = files_of(options)
        missing = [tomogram for tomogram in range(scene.tomograms) if files.missing(scene.rows(tomogram))]
        make_folder(options.out, configuration(options), files.room(sum(len(scene.rows(one)) for one in missing)))
        write_truths(options, volumes)
        _write_volumes(options, scene, files, missing)
        write_tables(options, scene, files)
    console.print(f"{options.out}: {options.count} subtomograms of {options.box} voxels")


def configuration(options: SimulateSubtomograms) -> dict[str, Any]:
    """What decides the bytes written, each option by its name on the command line."""
    config = asdict(options)
    config |= config.pop("lens") | config.pop("tilts")
    config |= {name: told_by_contents(config[name]) for name in ("noise", "ctf")}
    config["models"] = [told_by_contents(model) for model in config["models"]]
    return {name: value for name, value in config.items() if name not in ("out", "workers")}


def _check(options: SimulateSubtomograms) -> None:
    """Refuse numbers that make no sense, each with its own sentence."""
    if not options.models:
        raise ValueError("give one MODEL or more")
    for name in ("count", "box", "pixel_size", "per_tomogram", "workers", "resolution"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise ValueError(f"--{name.replace('_', '-')} must be positive, it is {value:g}")
    if not 0 <= options.shift_percent < 50:
        raise ValueError(f"--shift-percent must lie in 0 ... 50, it is {options.shift_percent:g}")
    if not options.snr_db > -float("inf"):
        raise ValueError(f"--snr-db must be a number or inf, it is {options.snr_db:g}")
    thickness = options.tilts.ice_thickness
    if options.mode == "physics" and thickness < (widest := 2 * max(map(radius_of, options.models))):
        raise ValueError(f"--ice-thickness {thickness:g}: too thin for molecules of {widest:.0f} angstrom")
    if options.mode != "physics" and (options.noise != "white" or options.correction != "phase-flip"):
        raise ValueError(f"--mode {options.mode} has its own noise and lens: leave --noise and --correction out")


def structures_of(options: SimulateSubtomograms) -> list[Float[Tensor, "box box box"]]:
    """The structures, which have room in their boxes as far off the middle as they may lie."""
    shift = options.shift_percent / 100 * options.box * options.pixel_size
    return equally_dense(options.models, options.box, options.pixel_size, options.resolution, shift)


def scene_of(options: SimulateSubtomograms, volumes: list[Float[Tensor, "box box box"]]) -> SubtomogramScene:
    """The data set, of which nothing is drawn yet."""
    return SubtomogramScene(
        imaging=_imaging(options, volumes),
        structures=len(volumes),
        count=options.count,
        each=options.per_tomogram,
        lens=None if options.mode == "density" else ctf_prior(options.ctf, options.lens),
        shift=UniformShifts(options.shift_percent, options.box * options.pixel_size),
        thickness=max(0.0, options.tilts.ice_thickness - 2 * max(map(radius_of, options.models))),
        seed=options.seed,
    )


def _imaging(options: SimulateSubtomograms, volumes: list[Float[Tensor, "box box box"]]) -> SubtomogramImaging:
    if options.mode == "pei":
        return PeiImaging(volumes, options.pixel_size, options.tilts)
    if options.mode == "density":
        return DensityImaging(volumes, options.pixel_size)
    power = noise_power(options.noise, options.box, options.pixel_size)
    return TiltSeriesImaging(volumes, options.pixel_size, options.tilts, power, options.correction)


def files_of(options: SimulateSubtomograms) -> SubtomogramFiles:
    """Where its files are."""
    correction = options.correction if options.mode == "physics" else "none"
    return SubtomogramFiles(options.out, options.pixel_size, options.box, options.halves, correction)


def write_truths(options: SimulateSubtomograms, volumes: list[Float[Tensor, "box box box"]]) -> None:
    """Write the structures' maps."""
    (options.out / _TRUTH).mkdir(exist_ok=True)
    for number, volume in enumerate(volumes, 1):
        write_map(options.out / _TRUTH / f"{number:03d}.mrc", volume, options.pixel_size)


def write_tables(options: SimulateSubtomograms, scene: SubtomogramScene, files: SubtomogramFiles) -> None:
    """Write what all subtomograms show, and of which tomograms they are."""
    depth, side = (round(length / options.pixel_size) for length in (options.tilts.ice_thickness, FIELD))
    every = [scene.labels(tomogram) for tomogram in range(scene.tomograms)]
    files.write_labels(every, options.tilts, TomogramFrame((side, side, depth), options.pixel_size))


def _write_volumes(
    options: SimulateSubtomograms, scene: SubtomogramScene, files: SubtomogramFiles, missing: list[int]
) -> None:
    """Those that are not there yet, a tomogram at a time."""
    noise_std = scene.noise_std(options.snr_db)

    def make(place: int) -> int:
        rows = scene.rows(missing[place])
        files.write_volumes(rows, scene.volumes(missing[place], noise_std, 1 + options.halves))
        return len(rows)

    with progress_bar("subtomograms", options.count) as advance:
        advance(options.count - sum(len(scene.rows(one)) for one in missing))
        for count in in_order(make, len(missing), options.workers or MOST_WORKERS):
            advance(count)
