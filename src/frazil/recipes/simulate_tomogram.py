"""`frazil simulate tomogram`: whole tomograms of many molecules and vesicles, every molecule's voxels labelled."""

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from jaxtyping import Float
from rich.console import Console
from torch import Tensor

from frazil.data.data_set_folder import make_folder, refuse_another_run
from frazil.data.lens_tables import ctf_prior
from frazil.data.measured_curves import noise_curve
from frazil.data.specimens import equally_dense, radius_of
from frazil.data.tomogram_files import OUTPUTS, TABLE, TomogramFiles
from frazil.data.tomogram_scenes import SimulatedTomogram, TomogramContents, TomogramScene
from frazil.data.tomograms_written import TomogramFrame
from frazil.data.workers import one_thread_per_operation
from frazil.geometry import half_plane_mean, on_rectangle
from frazil.io import hold_folder, write_map
from frazil.io.fingerprint import told_by_contents
from frazil.physics import CTFRanges, noise_std_for_snr
from frazil.physics.tilt_scheme import TILT_SERIES_LENS, TiltScheme
from frazil.physics.tilted_field import TiltedFieldImaging
from frazil.recipes.running.progress import progress_bar

_TRUTH = "truth"  # folder of the structures' maps
_MEASURED = 8  # tomograms, at most, by which noise is made as strong as wanted


@dataclass(frozen=True)
class SimulateTomogram:
    """Simulate tomograms of many molecules and vesicles, by the physics of tilt series; protein is light.

    Every molecule is seen in each tilt through the lens at its own depth. Labels come as RELION 5's tables, as copick's
    picks, and as masks in which each voxel has the number of its molecule, or of its class. The same command goes on
    where it stopped.
    """

    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Atomic models (.pdb, .cif, .gz too), maps (.mrc; protein positive), or the words pseudo-protein and membrane;
    molecules are of them in turns."""
    out: Path
    """Folder for tomograms/, even/, odd/, instances/, classes/, tilt_series/, picks/, truth/ and RELION's tables."""
    count: int = 1
    """Number of tomograms."""
    size: tuple[int, int, int] = (512, 512, 128)
    """Voxels along x, y and z; the tilt axis is y."""
    pixel_size: float = 10.0
    """Voxel size in angstrom."""
    molecules: int = 200
    """Molecules in each, fewer where no more find room."""
    vesicles: int = 2
    """Vesicles in each, whose walls no molecule touches; in the masks their numbers come after the molecules' and
    their class after the structures'. Fewer where no more find room."""
    vesicle_radius: tuple[float, float] = (200.0, 400.0)
    """Smallest and largest, angstrom."""
    snr_db: float = -10.0
    """10 log10(var(clean) / var(noise)) of upright images; var(clean): mean of the first eight tomograms, or fewer."""
    tilts: Annotated[TiltScheme, tyro.conf.arg(name="")] = field(
        default_factory=lambda: TiltScheme(ice_thickness=1200.0)  # less than the default 128 voxels of 10 angstrom hold
    )
    """How tilt series are taken."""
    correction: Literal["none", "phase-flip"] = "phase-flip"
    """What is done about the lens before back-projection: none, or phase-flip (its signs put right)."""
    noise: str = "white"
    """Noise of an image: white, a table of frequency (1/angstrom) and power, or a stack of background images."""
    ctf: str = "ranges"
    """Lens of each tomogram: ranges (see --defocus), none, or a STAR, .cs or .npy table whose rows are drawn."""
    lens: Annotated[CTFRanges, tyro.conf.arg(name="")] = TILT_SERIES_LENS
    """Ranges of the lens; its microscope also fills what a CTF table leaves out."""
    resolution: float | None = None
    """Where a Gaussian low-pass of the models falls to 1/e, in angstrom; Nyquist if not given."""
    seed: int = 0
    """Same seed and options, same bytes."""


Finish = Callable[[int, SimulatedTomogram], SimulatedTomogram]
"""What becomes of a tomogram of a number before it is written."""


def simulate_tomogram(options: SimulateTomogram) -> None:
    """Write the tomograms and their labels; says what it wrote on the terminal.

    Raises ValueError, FileNotFoundError or OSError with a sentence for options, files or disks that will not do.
    """
    frame = TomogramFrame(options.size, options.pixel_size, on_disk=True, halves=True)
    write_tomograms(options, frame, {}, lambda scene: _noise_std(scene, options), lambda _, made: made)


def write_tomograms(
    options: SimulateTomogram,
    frame: TomogramFrame,
    more: Mapping[str, Any],
    noise_std: Callable[[TomogramScene], float],
    finish: Finish,
) -> None:
    """Write tomograms and labels; `more` decides the bytes too, and `noise_std` how noisy upright images are."""
    _check(options)
    config = {**configuration(options), **more}
    refuse_another_run(options.out, config, OUTPUTS)
    console = Console(stderr=True, soft_wrap=True)
    if (options.out / TABLE).is_file():
        console.print(f"{options.out}: already there with these options")
        return
    with one_thread_per_operation(), hold_folder(options.out):
        scene, names = _scene(options), _names(options.models)
        files = TomogramFiles(options.out, frame, names)
        missing = files.missing(options.count)
        make_folder(options.out, config, files.room(len(missing)))
        (options.out / _TRUTH).mkdir(exist_ok=True)
        for name, volume in zip(names, scene.contents.volumes, strict=True):
            write_map(options.out / _TRUTH / f"{name}.mrc", volume, options.pixel_size)
        std = noise_std(scene)
        with progress_bar("tomograms", options.count) as advance:
            advance(options.count - len(missing))
            for number in missing:
                labels, made = scene.labels(number), scene.tomogram(number, std)
                files.write_volumes(number, finish(number, made), labels, scene.instances(labels))
                advance(1)
        every = [scene.labels(number) for number in range(options.count)]
        files.write_labels(every, options.tilts)
    found = sum(len(labels.molecules) for labels in every)
    console.print(f"{options.out}: {options.count} tomograms with {found} molecules")


def configuration(options: SimulateTomogram) -> dict[str, Any]:
    """What decides the bytes written, each option by its name on the command line."""
    config = asdict(options)
    config |= config.pop("lens") | config.pop("tilts")
    config |= {name: told_by_contents(config[name]) for name in ("noise", "ctf")}
    config["models"] = [told_by_contents(model) for model in config["models"]]
    return {name: value for name, value in config.items() if name != "out"}


def _check(options: SimulateTomogram) -> None:
    """Refuse numbers that make no sense, each with its own sentence."""
    if not options.models:
        raise ValueError("give one MODEL or more")
    for name in ("count", "pixel_size", "molecules", "resolution"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise ValueError(f"--{name.replace('_', '-')} must be positive, it is {value:g}")
    if min(options.size) < 8:
        raise ValueError(f"--size must be 8 or more along all sides, it is {options.size}")
    if options.vesicles < 0:
        raise ValueError(f"--vesicles must not be negative, it is {options.vesicles}")
    low, high = options.vesicle_radius
    if not 0 < low <= high:
        raise ValueError(f"--vesicle-radius must be the smallest, then the largest: not {low:g} {high:g}")
    if not -float("inf") < options.snr_db < float("inf"):
        raise ValueError(f"--snr-db must be a number, it is {options.snr_db:g}")
    if options.tilts.tilt_axis:
        raise ValueError(f"--tilt-axis {options.tilts.tilt_axis:g}: images of whole tomograms have it along y, 0")
    thickness, room = options.tilts.ice_thickness, options.size[2] * options.pixel_size
    if thickness > room:
        raise ValueError(f"--ice-thickness {thickness:g}: more than the tomogram's {room:g} angstrom along z")
    largest = 2 * max(map(radius_of, options.models))
    if largest > thickness:
        raise ValueError(f"--ice-thickness {thickness:g}: too thin for molecules of {largest:.0f} angstrom")


def _names(models: Sequence[str]) -> list[str]:
    """What structures are called in files: as their models, and by a number where two are called alike."""
    names = [Path(model).name for model in models]
    for suffix in (".gz", ".bz2", ".pdb", ".ent", ".cif", ".mmcif", ".mrc", ".map", ".ccp4"):
        names = [name.removesuffix(suffix) for name in names]
    names = [re.sub(r"[\s_<>:\"/\\|?*]+", "-", name) for name in names]  # as copick allows
    return [name if names.count(name) == 1 else f"{name}-{place}" for place, name in enumerate(names, 1)]


def _scene(options: SimulateTomogram) -> TomogramScene:
    radius = [radius_of(model) for model in options.models]
    box = 2 * (int(max(radius) / options.pixel_size) + 2)
    return TomogramScene(
        contents=TomogramContents(
            volumes=equally_dense(options.models, box, options.pixel_size, options.resolution),
            radius=torch.tensor(radius),
            count=options.molecules,
            vesicles=options.vesicles,
            vesicle_radius=options.vesicle_radius,
        ),
        images=TiltedFieldImaging(options.tilts, options.pixel_size, options.size[:2]),
        depth=options.size[2],
        lens=ctf_prior(options.ctf, options.lens),
        correction=options.correction,
        power=_power(options),
        seed=options.seed,
    )


def _power(options: SimulateTomogram) -> Float[Tensor, "y half"] | None:
    curve = noise_curve(options.noise)
    if curve is None:
        return None
    power = on_rectangle(torch.from_numpy(curve[:, :2]).float(), options.size[:2], options.pixel_size)
    return power / half_plane_mean(power, options.size[0])


def _noise_std(scene: TomogramScene, options: SimulateTomogram) -> float:
    """Of upright images, by what the first few tomograms hold and how their lenses show it."""
    stds = []
    for number in range(min(options.count, _MEASURED)):
        upright = scene.upright(scene.labels(number))
        if not upright.std() > 0:
            raise ValueError(
                f"tomogram {number + 1} holds no molecule: give a thicker --ice-thickness or a larger --size"
            )
        stds.append(noise_std_for_snr(upright, options.snr_db))
    return math.sqrt(statistics.mean(std**2 for std in stds))
