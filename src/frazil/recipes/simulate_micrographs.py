"""`frazil simulate micrographs`: whole fields of view with every label, made from models."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from jaxtyping import Float
from rich.console import Console
from torch import Tensor

from frazil.data.data_set_folder import make_folder, refuse_another_run
from frazil.data.ice import ice_levels
from frazil.data.lens_tables import ctf_prior
from frazil.data.measured_curves import noise_curve, read_mtf
from frazil.data.micrograph_files import OUTPUTS, TABLE, MicrographFiles
from frazil.data.micrograph_scenes import Labels, Population, SimulatedFields
from frazil.data.specimens import equally_dense, mean_density, radius_of, read_specimen
from frazil.data.workers import MOST_WORKERS, in_order, one_thread_per_operation
from frazil.geometry import fourier_resize, symmetrise, symmetry_rotations
from frazil.io import hold_folder
from frazil.io.fingerprint import told_by_contents
from frazil.io.micrographs import Micrograph, find_micrographs, read_micrograph
from frazil.physics import (
    CTFRanges,
    Detector,
    FieldExposure,
    PaperExposure,
    UniformRotations,
    contrast_at,
    counted_exposure,
    to_fourier_volume,
)
from frazil.physics.exposure import CountedExposure, PaperNoise
from frazil.physics.placement import Crowd
from frazil.recipes.running.progress import progress_bar

_NEARLY = 0.97  # of the particles expected, below which not chance but the field's size says how many there are
_LEAST_SIDE = 32  # px
_PADDING = 3  # times a structure's side, to which it is padded: it fills its box
_CALIBRATED = 8  # micrographs by whose particles the noise's strength is set


@dataclass(frozen=True)
class ExposureOptions:
    """How micrographs are exposed."""

    snr_db: float = -10.0
    """10 log10(var(clean) / var(noise)) over whole micrographs."""
    mode: Literal["physics", "paper"] = "physics"
    """physics: contrast, structure of the ice, its thickness, electrons, detector, and each particle at its own
    defocus. paper: the order and the scaling of the released CryoGEM."""
    paper_noise: PaperNoise = "gaussian"
    """Noise of the paper's mode."""
    dose: float = 40.0
    """Electrons per square angstrom."""
    noise: str = "white"
    """white (electrons alone), a table of frequency (1/angstrom) and power, or a stack of background images: what is
    not the electrons' own of that spectrum is taken for the ice's."""
    mtf: Path | None = None
    """The detector's modulation transfer: RELION's STAR file (rlnResolutionInversePixel, rlnMtfValue),
    its pixel taken for the micrographs'."""


@dataclass(frozen=True)
class IceOptions:
    """What lies around the particles."""

    ice_thickness: float = 400.0
    """Angstrom; particles lie at any depth in it, which adds to their defocus; in thinner ice than they are, in the
    middle."""
    ice_variation: float = 0.01
    """How unevenly thick the ice is: the standard deviation of the beam that it takes."""
    ice: Path | None = None
    """Real micrographs (a folder, a STAR file, or one of them) whose ice is to be had instead, one for each."""
    lumps: float = 0.0
    """Lumps of crystalline ice on a micrograph on average, up to twice as wide as a particle."""


@dataclass(frozen=True)
class SimulateMicrographs:
    """Simulate micrographs with the pose, the place and the lens of every particle; protein is dark in them.

    The same command goes on where it stopped. Labels come as RELION's STAR, Topaz's table, EMAN's .box and crYOLO's
    .cbox files.
    """

    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Atomic models (.pdb, .cif, .gz too), maps (.mrc; protein positive), or the word pseudo-protein; of several each
    particle is one by chance, its number rlnClassNumber."""
    out: Path
    """Folder for micrographs/, masks/, boxes/, cboxes/, particles.star, particles.txt and micrographs.star."""
    count: int = 100
    """Number of micrographs."""
    size: tuple[int, int] = (1024, 1024)
    """Pixels along x and y."""
    pixel_size: float = 4.0
    """Pixel size in angstrom."""
    particles: float = 150.0
    """Particles on a micrograph on average."""
    particles_deviation: float = 0.0
    """Standard deviation of their number, cut at two of them."""
    crowding: float = 0.0
    """How much closer than side by side two centres may come: 0 by a particle's diameter, 1 as they like."""
    exposure: Annotated[ExposureOptions, tyro.conf.arg(name="")] = field(default_factory=ExposureOptions)
    """How they are exposed."""
    solvent: Annotated[IceOptions, tyro.conf.arg(name="")] = field(default_factory=IceOptions)
    """What lies around the particles."""
    ctf: str = "ranges"
    """Lens of each micrograph: ranges (see --defocus), none, or a STAR, .cs or .npy table whose rows are drawn."""
    lens: Annotated[CTFRanges, tyro.conf.arg(name="")] = field(default_factory=CTFRanges)
    """Ranges of the lens; its microscope also fills what a CTF table leaves out."""
    symmetry: str = "C1"
    """Average the models over this point group (RELION's axes) first; a symmetric model needs none."""
    resolution: float | None = None
    """Where a Gaussian low-pass of the models falls to 1/e, in angstrom; Nyquist if not given."""
    seed: int = 0
    """Same seed and options, same bytes, whatever the number of workers."""
    workers: int | None = None
    """Threads that make micrographs; the number of cores, 8 at most, if not given."""


def simulate_micrographs(options: SimulateMicrographs) -> None:
    """Write the micrographs and their labels; says what it wrote on the terminal.

    Raises ValueError, FileNotFoundError or OSError with a sentence for options, files or disks that will not do.
    """
    _check(options)
    refuse_another_run(options.out, configuration(options), OUTPUTS)
    console = Console(stderr=True, soft_wrap=True)
    if (options.out / TABLE).is_file():
        console.print(f"{options.out}: already simulated with these options")
        return
    with one_thread_per_operation(), hold_folder(options.out):
        data = fields_of(options)
        exposure = exposure_of(options, data)
        _refuse_opaque(options, exposure, data)
        files = MicrographFiles(options.out, options.pixel_size, options.size, data.population.radius)
        missing = files.missing(range(options.count))
        make_folder(options.out, configuration(options), files.room(len(missing)))
        _write_images(options, data, exposure, files, missing)
        every = [data.labels(number) for number in range(options.count)]
        files.write_labels(every)
    console.print(f"{options.out}: {told_count(options, every)}")


def told_count(options: SimulateMicrographs, every: Sequence[Labels]) -> str:
    """How many micrographs and particles there are, and whether more were asked for than there is room for."""
    count = sum(len(labels.particles) for labels in every)
    told = f"{options.count} micrographs with {count} particles"
    expected = options.count * options.particles - 2 * math.sqrt(options.count) * options.particles_deviation
    if count < _NEARLY * expected:
        told += f", fewer than {options.particles:g} on each: no more found room at a crowding of {options.crowding:g}"
    return told


def configuration(options: SimulateMicrographs) -> dict[str, Any]:
    """What decides the bytes written, each option by its name on the command line."""
    config = asdict(options)
    config |= config.pop("lens") | config.pop("exposure") | config.pop("solvent")
    config |= {name: told_by_contents(config[name]) for name in ("noise", "ctf")}
    config["models"] = [told_by_contents(model) for model in config["models"]]
    return {name: value for name, value in config.items() if name not in ("out", "workers")}


def check_size(size: tuple[int, int]) -> None:
    """ValueError for a micrograph that is too small to be one."""
    if min(size) < _LEAST_SIDE:
        raise ValueError(f"--size must be {_LEAST_SIDE} or more along both sides, it is {size}")


def _check(options: SimulateMicrographs) -> None:
    """Refuse numbers that make no sense, each with its own sentence."""
    if not options.models:
        raise ValueError("give one MODEL or more")
    values = {**vars(options), **vars(options.exposure), **vars(options.solvent)}
    for name in ("count", "pixel_size", "dose", "workers", "resolution"):
        if values[name] is not None and not values[name] > 0:
            raise ValueError(f"--{name.replace('_', '-')} must be positive, it is {values[name]:g}")
    for name in ("particles", "particles_deviation", "ice_thickness", "ice_variation", "lumps"):
        if values[name] < 0:
            raise ValueError(f"--{name.replace('_', '-')} must not be negative, it is {values[name]:g}")
    check_size(options.size)
    if not 0 <= options.crowding <= 1:
        raise ValueError(f"--crowding must lie in 0 ... 1, it is {options.crowding:g}")
    if not math.isfinite(options.exposure.snr_db):
        raise ValueError(f"--snr-db must be a number, it is {options.exposure.snr_db:g}")


def fields_of(options: SimulateMicrographs) -> SimulatedFields:
    """The data set, of which nothing is drawn yet."""
    radius = max(radius_of(model) for model in options.models)
    box = 2 * (math.ceil(radius / options.pixel_size) + 1)
    group = symmetry_rotations(options.symmetry)
    if len(options.models) == 1:
        volumes = [read_specimen(options.models[0], box, options.pixel_size, options.resolution).volume]
    else:  # maps have units of their own
        volumes = equally_dense(options.models, box, options.pixel_size, options.resolution)
    if len(group) > 1:
        volumes = [symmetrise(volume, group) for volume in volumes]
    population = Population(
        structures=[to_fourier_volume(volume, _PADDING) for volume in volumes],
        radius=radius,
        density=sum(mean_density(volume) for volume in volumes) / len(volumes),
        rotation=UniformRotations(),
        lens=ctf_prior(options.ctf, options.lens),
        crowd=Crowd(options.particles, options.particles_deviation, 2 * radius * (1 - options.crowding)),
        thickness=options.solvent.ice_thickness,
        ice=_ice(options.solvent, options.pixel_size),
        lumps=options.solvent.lumps,
    )
    return SimulatedFields(population, options.size, options.pixel_size, options.seed)


def _ice(options: IceOptions, pixel_size: float) -> float | list[Float[Tensor, "_rows _columns"]]:
    if options.ice is None:
        return options.ice_variation
    return [ice_levels(_at(read_micrograph(path), pixel_size)) for path in find_micrographs(options.ice)]


def _at(micrograph: Micrograph, pixel_size: float) -> Float[Tensor, "_y _x"]:
    """A micrograph at the simulation's pixel size, where its own is known and finer: noise depends on it."""
    image, own = micrograph.image, micrograph.pixel_size or pixel_size
    if own >= pixel_size:
        return image
    height, width = image.shape
    return fourier_resize(image, (round(width * own / pixel_size), round(height * own / pixel_size)))


def exposure_of(
    options: SimulateMicrographs, data: SimulatedFields, like: SimulateMicrographs | None = None
) -> FieldExposure:
    """How micrographs are exposed: the first of them, or those that they are to be `like`, have the ratio asked for.

    The same whatever the number of micrographs.
    """
    how, pixel_size = options.exposure, options.pixel_size
    if how.mode == "paper":
        return PaperExposure(pixel_size, how.snr_db, how.paper_noise)
    detector = _detector(how, pixel_size)
    fields = data if like is None else fields_of(like)
    clean = torch.stack([fields.field(fields.labels(number)).image for number in range(_CALIBRATED)])
    if not clean.std() > 0:
        raise ValueError(f"--particles {options.particles:g}: the first micrographs hold none; give more")
    contrast = contrast_at(detector, how.snr_db, clean, pixel_size)
    return counted_exposure(detector, contrast, options.size, pixel_size)


def _detector(how: ExposureOptions, pixel_size: float) -> Detector:
    curve = noise_curve(how.noise)
    noise = None if curve is None else torch.from_numpy(curve[:, :2]).float()
    return Detector(how.dose * pixel_size**2, noise, read_mtf(how.mtf, pixel_size))


def _refuse_opaque(options: SimulateMicrographs, exposure: FieldExposure, data: SimulatedFields) -> None:
    """No particle takes more than all of the beam: fewer electrons than none cannot be counted."""
    if not isinstance(exposure, CountedExposure):
        return
    taken = exposure.contrast * float(data.field(data.labels(0)).image.max())
    if taken > 1:
        how = options.exposure
        raise ValueError(
            f"--snr-db {how.snr_db:g}: at --dose {how.dose:g} particles would have to take {taken:.0%} of the beam;"
            " give a lower ratio or a higher dose"
        )


def _write_images(
    options: SimulateMicrographs,
    data: SimulatedFields,
    exposure: FieldExposure,
    files: MicrographFiles,
    missing: Sequence[int],
) -> None:
    """Those that are not there yet, each whole."""

    def make(place: int) -> None:
        files.write_images(missing[place], *data.micrograph(missing[place], exposure))

    with progress_bar("micrographs", options.count) as advance:
        advance(options.count - len(missing))
        for _ in in_order(make, len(missing), options.workers or MOST_WORKERS):
            advance(1)
