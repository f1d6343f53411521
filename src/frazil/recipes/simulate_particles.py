"""`frazil simulate particles`: a stack of images with known poses, shifts and lenses, made from a model."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from jaxtyping import Float
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
from torch import Tensor

from frazil.data.exposures import Scene, calibration_images, expose_all, noise_power
from frazil.data.simulated_files import claim_folder, read_ctf_rows, whole_or_nothing, write_conditions
from frazil.data.specimens import Specimen, read_specimen
from frazil.geometry import symmetrise, symmetry_rotations
from frazil.io import StackWriter, write_map
from frazil.physics import (
    CTFPrior,
    CTFRanges,
    CTFTable,
    GaussianEulerRotations,
    GaussianShifts,
    ImagingPrior,
    ShiftPrior,
    TriangularShifts,
    UniformRotations,
    UniformShifts,
    noise_std_for_snr,
    to_fourier_volume,
)

_MOST_WORKERS = min(8, os.cpu_count() or 1)
_SHIFTS: dict[str, Callable[[float, float], ShiftPrior]] = {
    "triangular": TriangularShifts,
    "uniform": UniformShifts,
    "gaussian": GaussianShifts,
}


@dataclass(frozen=True)
class SimulateParticles:
    """Simulate particle images with known poses, shifts and CTF; protein is light (positive) in them."""

    model: tyro.conf.Positional[str]
    """Atomic model (.pdb, .cif, .gz too), map (.mrc; its protein positive), or the word pseudo-protein."""
    out: Path
    """Folder for particles.mrcs, particles.star and truth.mrc."""
    box: int = 64
    """Side of the images in pixels, odd or even."""
    pixel_size: float = 3.8
    """Pixel size in angstrom."""
    count: int = 20_000
    """Number of images."""
    snr_db: float = -10.0
    """10 log10(var(clean) / var(noise)) over the whole box and all images; inf for no noise."""
    shift_percent: float = 3.0
    """Largest shift along x and y in percent of the box (the standard deviation, for gaussian shifts)."""
    seed: int = 0
    """Same seed and options, same bytes, whatever the number of workers."""
    shift_prior: Literal["triangular", "uniform", "gaussian"] = "triangular"
    """Distribution of the shifts; gaussian ones are cut at three standard deviations."""
    euler_variance: float | None = None
    """Draw Euler angles from a Gaussian of covariance diag(this, 2, 1) square radians instead of uniform views."""
    ctf: str = "ranges"
    """Lens of each image: ranges (see --defocus), none, or a STAR, .cs or .npy table whose rows are drawn whole."""
    lens: Annotated[CTFRanges, tyro.conf.arg(name="")] = field(default_factory=CTFRanges)
    """Ranges of the lens; its microscope also fills what a CTF table leaves out."""
    noise: str = "white"
    """white, a table of frequency (1/angstrom) and power, or a stack of background images with that spectrum."""
    symmetry: str = "C1"
    """Average the model over this point group (RELION's axes) first; a symmetric model needs none."""
    resolution: float | None = None
    """Where a Gaussian low-pass of the model falls to 1/e, in angstrom; Nyquist if not given."""
    assembly: str | None = None
    """Biological assembly of an atomic model to build, by its name; first for the first."""
    allow_clipping: bool = False
    """Accept shifts that push the particle partly out of the box."""
    workers: int | None = None
    """Threads that form images; the number of cores, 8 at most, if not given."""
    device: str = "cpu"
    """Where images are formed; other devices round differently."""


def simulate_particles(options: SimulateParticles) -> None:
    """Write the images, their table and the true map; says what it wrote on the terminal.

    Raises ValueError, FileNotFoundError or OSError with a sentence for options, files or disks that will not do.
    """
    _check(options)
    with _one_thread_per_operation():
        _simulate(options, Console(stderr=True, soft_wrap=True))


def _simulate(options: SimulateParticles, console: Console) -> None:
    rotations = symmetry_rotations(options.symmetry)
    prior = _imaging_prior(options)
    power = noise_power(options.noise, options.box, options.pixel_size)
    specimen = _specimen(options, prior.shift, rotations, console)
    if claim_folder(options.out, _configuration(options), 4 * options.box**2 * (options.count + options.box)):
        console.print(f"{options.out}: already simulated with these options")
        return
    with whole_or_nothing(options.out):
        write_map(options.out / "truth.mrc", specimen.volume, options.pixel_size)
        spectrum = to_fourier_volume(specimen.volume.to(options.device))
        scene = Scene(spectrum, options.pixel_size, prior, power, options.seed, options.count)
        noise_std = noise_std_for_snr(calibration_images(scene), options.snr_db)
        (options.out / "README.txt").write_text(_note(options, specimen.radius, noise_std))
        _write_images(options, scene, noise_std)
    console.print(f"{options.out}: {options.count} images of {options.box} px, noise_std {noise_std:.4g}")


def _configuration(options: SimulateParticles) -> dict[str, Any]:
    """What decides the bytes written, each option by its name on the command line."""
    config = asdict(options)
    config |= config.pop("lens")
    return {name: value for name, value in config.items() if name not in ("out", "workers", "device")}


def _check(options: SimulateParticles) -> None:
    """Refuse numbers that make no sense, each with its own sentence."""
    for name in ("box", "pixel_size", "count", "workers", "resolution", "euler_variance"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise ValueError(f"--{name.replace('_', '-')} must be positive, it is {value:g}")
    if not 0 <= options.shift_percent < 50:
        raise ValueError(f"--shift-percent must lie in 0 ... 50, it is {options.shift_percent:g}")
    if not options.snr_db > -float("inf"):
        raise ValueError(f"--snr-db must be a number or inf, it is {options.snr_db:g}")
    try:
        torch.empty(0, device=options.device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {options.device} cannot be used: {str(error).splitlines()[0]}") from None
    for name in ("defocus", "astigmatism"):
        low, high = getattr(options.lens, name)
        if low > high:
            raise ValueError(f"--{name} must be the smallest, then the largest: {low:g} is more than {high:g}")


def _imaging_prior(options: SimulateParticles) -> ImagingPrior:
    views = UniformRotations() if options.euler_variance is None else GaussianEulerRotations(options.euler_variance)
    shifts = _SHIFTS[options.shift_prior](options.shift_percent, options.box * options.pixel_size)
    return ImagingPrior(views, shifts, _ctf_prior(options))


def _ctf_prior(options: SimulateParticles) -> CTFPrior | None:
    if options.ctf == "none":
        return None
    return options.lens if options.ctf == "ranges" else CTFTable(read_ctf_rows(Path(options.ctf), options.lens))


def _specimen(
    options: SimulateParticles, shifts: ShiftPrior, rotations: Float[Tensor, "order 3 3"], console: Console
) -> Specimen:
    specimen = read_specimen(
        options.model,
        options.box,
        options.pixel_size,
        options.resolution,
        options.assembly,
        shift=0.0 if options.allow_clipping else shifts.maximum,
    )
    if not specimen.volume.std() > 0:
        raise ValueError(f"{options.model}: no density falls in the box")
    if len(rotations) == 1:
        return specimen
    volume = symmetrise(specimen.volume, rotations)
    same = torch.corrcoef(torch.stack([specimen.volume.flatten(), volume.flatten()]))[0, 1]
    console.print(f"{options.symmetry}: the averaged model correlates {same:.3f} with the model as it was")
    return replace(specimen, volume=volume)


def _write_images(options: SimulateParticles, scene: Scene, noise_std: float) -> None:
    stack_path = options.out / "particles.mrcs"
    columns = ("{task.description}", MofNCompleteColumn(), TimeRemainingColumn())
    conditions = []
    with (
        StackWriter(stack_path, options.count, options.box, options.pixel_size) as stack,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task("images", total=options.count)
        for exposure in expose_all(scene, noise_std, options.workers or _MOST_WORKERS):
            stack.write(exposure.images.numpy())
            conditions.append(exposure.conditions)
            progress.advance(task, len(exposure.images))
    write_conditions(options.out / "particles.star", conditions, options.box, options.pixel_size)


@contextmanager
def _one_thread_per_operation() -> Iterator[None]:
    """Let workers run side by side, and sums in one order: bytes do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _note(options: SimulateParticles, radius: float, noise_std: float) -> str:
    view = "uniform" if options.euler_variance is None else f"Gaussian in Euler angles ({options.euler_variance:g})"
    return f"""Particle images simulated by frazil from {options.model}.

particles.mrcs  {options.count} images of {options.box} px at {options.pixel_size:g} angstrom; the protein is
                positive (light): `--contrast light`. Raw micrographs would show it dark.
particles.star  the true poses ({view}), shifts ({options.shift_prior}, {options.shift_percent:g} % of the box)
                and lenses ({options.ctf}) of the images, in RELION 3.1's columns; half sets take turns.
truth.mrc       the volume they were made from, {radius:.0f} angstrom from its centre to its farthest point.
config.json     every option.

The noise ({options.noise}) has a standard deviation of {noise_std:.6g}, which makes
10 log10(var(clean) / var(noise)) = {options.snr_db:g} dB over the whole box.
"""
