"""`frazil simulate particles`: a stack of images with known poses, shifts and lenses, made from a model."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from jaxtyping import Float
from rich.console import Console
from torch import Tensor

from frazil.data.heterogeneity import Heterogeneity, structures
from frazil.data.lens_tables import ctf_prior
from frazil.data.measured_curves import noise_power
from frazil.data.particle_files import claim_folder, whole_or_nothing, write_conditions
from frazil.data.particle_scenes import Scene, calibration_images, expose_all
from frazil.data.scatterers import read_scatterers
from frazil.data.specimens import Specimen, check_fit, kind_of_model, read_specimen
from frazil.data.truths import Truth, describe_truths, latent_columns, write_truths
from frazil.data.workers import MOST_WORKERS, one_thread_per_operation
from frazil.geometry import symmetrise, symmetry_rotations
from frazil.io import StackWriter, read_map
from frazil.io.fingerprint import told_by_contents
from frazil.physics import (
    CTFRanges,
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
from frazil.recipes.running.progress import progress_bar

_SHIFTS: dict[str, Callable[[float, float], ShiftPrior]] = {
    "triangular": TriangularShifts,
    "uniform": UniformShifts,
    "gaussian": GaussianShifts,
}
_CLIPPED = ", or --allow-clipping"


@dataclass(frozen=True)
class SimulateParticles:
    """Simulate particle images with known poses, shifts and CTF; protein is light (positive) in them.

    With --heterogeneity the molecules differ: their maps are in structures/, and the STAR says of each image which one
    it shows (rlnClassNumber) and what tells that one from the others (frazilTrueLatent).
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
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
    molecules: Annotated[Heterogeneity, tyro.conf.arg(name="")] = field(default_factory=Heterogeneity)
    """How the molecules differ."""
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
    with one_thread_per_operation():
        _simulate(options, Console(stderr=True, soft_wrap=True))


def _simulate(options: SimulateParticles, console: Console) -> None:
    prior = _imaging_prior(options)
    power = noise_power(options.noise, options.box, options.pixel_size)
    maps = options.molecules.count + 1
    if claim_folder(options.out, _configuration(options), 4 * options.box**2 * (options.count + maps * options.box)):
        console.print(f"{options.out}: already simulated with these options")
        return
    with whole_or_nothing(options.out):
        truths = write_truths(options.out, _specimens(options, prior.shift, console), options.molecules, options.count)
        shots = [_Shot(truth, options, prior, power) for truth in truths]
        few = torch.cat([calibration_images(shot.scene(), len(shots)) for shot in shots])
        noise_std = noise_std_for_snr(few, options.snr_db)
        (options.out / "README.txt").write_text(_note(options, truths, noise_std))
        _write_images(options, shots, noise_std)
    console.print(f"{options.out}: {options.count} images of {options.box} px, noise_std {noise_std:.4g}")


@dataclass(frozen=True)
class _Shot:
    """How one structure is imaged."""

    truth: Truth
    options: SimulateParticles
    prior: ImagingPrior
    power: Float[Tensor, " shells"] | None

    def scene(self) -> Scene:
        """Ready to be exposed; its spectrum is large, so it is made when it is needed."""
        spectrum = to_fourier_volume(read_map(self.truth.path).volume.to(self.options.device))
        seed, images = self.options.seed, self.truth.images
        return Scene(spectrum, self.options.pixel_size, self.prior, self.power, seed, len(images), images.start)


def _configuration(options: SimulateParticles) -> dict[str, Any]:
    """What decides the bytes written, each option by its name on the command line."""
    config = asdict(options)
    config |= config.pop("lens") | config.pop("molecules")
    config |= {name: told_by_contents(config[name]) for name in ("model", "noise", "ctf")}
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


def _imaging_prior(options: SimulateParticles) -> ImagingPrior:
    views = UniformRotations() if options.euler_variance is None else GaussianEulerRotations(options.euler_variance)
    shifts = _SHIFTS[options.shift_prior](options.shift_percent, options.box * options.pixel_size)
    return ImagingPrior(views, shifts, ctf_prior(options.ctf, options.lens))


def _specimens(options: SimulateParticles, shifts: ShiftPrior, console: Console) -> Iterator[Specimen]:
    """Every structure, one after the other."""
    how, group = options.molecules, symmetry_rotations(options.symmetry)
    reach = 0.0 if options.allow_clipping else shifts.maximum
    box, pixel_size, resolution = options.box, options.pixel_size, options.resolution or 2 * options.pixel_size
    if how.heterogeneity == "none":
        alone = read_specimen(options.model, box, pixel_size, resolution, options.assembly)
        check_fit(alone.radius, box, pixel_size, reach, options.model, _CLIPPED)
        yield _averaged(alone, group, options, console)
        return
    if kind_of_model(options.model) == "map" or len(group) > 1:
        raise ValueError(
            f"--heterogeneity {how.heterogeneity} needs an atomic model or pseudo-protein, and no --symmetry"
        )
    if options.count < how.count:
        raise ValueError(f"--count {options.count}: fewer images than --states {how.count}")
    every = structures(read_scatterers(options.model, options.assembly), how, options.seed)
    radius = max(one.molecule.radius for one in every)
    check_fit(radius, box, pixel_size, reach, options.model, _CLIPPED)
    for one in every:
        volume = one.molecule.volume(box, pixel_size, resolution)
        yield Specimen(volume, pixel_size, radius, one.latent, one.what)


def _averaged(
    specimen: Specimen, group: Float[Tensor, "order 3 3"], options: SimulateParticles, console: Console
) -> Specimen:
    """The specimen with the symmetry asked for."""
    if not specimen.volume.std() > 0:
        raise ValueError(f"{options.model}: no density falls in the box")
    if len(group) == 1:
        return specimen
    volume = symmetrise(specimen.volume, group)
    same = torch.corrcoef(torch.stack([specimen.volume.flatten(), volume.flatten()]))[0, 1]
    console.print(f"{options.symmetry}: the averaged model correlates {same:.3f} with the model as it was")
    return replace(specimen, volume=volume)


def _write_images(options: SimulateParticles, shots: Sequence[_Shot], noise_std: float) -> None:
    stack_path = options.out / "particles.mrcs"
    conditions = []
    with (
        StackWriter(stack_path, options.count, options.box, options.pixel_size) as stack,
        progress_bar("images", options.count) as advance,
    ):
        for shot in shots:
            for exposure in expose_all(shot.scene(), noise_std, options.workers or MOST_WORKERS):
                stack.write(exposure.images.numpy())
                conditions.append(exposure.conditions)
                advance(len(exposure.images))
    more = latent_columns([shot.truth for shot in shots], options.molecules)
    write_conditions(options.out / "particles.star", conditions, options.box, options.pixel_size, more)


def _note(options: SimulateParticles, truths: Sequence[Truth], noise_std: float) -> str:
    view = "uniform" if options.euler_variance is None else f"Gaussian in Euler angles ({options.euler_variance:g})"
    return f"""Particle images simulated by frazil from {options.model}.

particles.mrcs  {options.count} images of {options.box} px at {options.pixel_size:g} angstrom; the protein is
                positive (light): `--contrast light`. Raw micrographs would show it dark.
particles.star  the true poses ({view}), shifts ({options.shift_prior}, {options.shift_percent:g} % of the box)
                and lenses ({options.ctf}) of the images, in RELION 3.1's columns; half sets take turns.
truth.mrc       {describe_truths(truths, options.molecules)}
config.json     every option.

The noise ({options.noise}) has a standard deviation of {noise_std:.6g}, which makes
10 log10(var(clean) / var(noise)) = {options.snr_db:g} dB over the whole box.
"""
