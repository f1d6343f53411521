"""`frazil evaluate micrographs`: how close simulated or generated micrographs come to real ones."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor

from frazil.data.micrographs import flattened
from frazil.geometry import fourier_resize
from frazil.io import Coordinates, atomic_path
from frazil.io.coordinates import micrograph_stem, read_coordinates
from frazil.io.micrographs import find_micrographs, known_pixel_size, read_micrograph
from frazil.methods.base import stable_seed
from frazil.metrics.distributions import frechet_distance, kernel_distance, standardised
from frazil.metrics.memorised import largest_correlation
from frazil.metrics.spectra import log_power, spectrum_distance
from frazil.nets.feature_nets import RandomFeatures
from frazil.report.micrographs import micrographs_report

_FLAT = 0.5  # of a crop's side: standard deviation of the blur that is taken for the background
_PAIRED = 6  # micrographs of each kind of which every two are compared
_CIRCLED = 2  # crops of each kind that are shown with their labels
_FLOOR = "real ones again"


@dataclass(frozen=True)
class EvaluateMicrographs:
    """Hold micrographs against real ones: FID and KID of random convolutions and of spectra, spectra, repeated noise.

    Beside every figure stands that of the real micrographs against each other, the floor.
    """

    real: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="REAL")]
    """Folder of real micrographs, or a STAR file that names them; two or more."""
    others: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="OTHERS")]
    """Folders or STAR files of the others, protein dark too."""
    out: Path
    """Folder for figures.json and report.html."""
    pixel_size: float | None = None
    """Of the real micrographs, in angstrom, and of others whose files do not say."""
    at: float | None = None
    """Pixel size in angstrom at which all are compared; default the coarsest of them."""
    crop: int = 128
    """Side of the crops that are compared, in those pixels."""
    count: int = 400
    """Crops of each kind."""
    coordinates: Path | None = None
    """Known particles of the real micrographs, to be drawn on the page as those of simulated ones are."""
    diameter: float = 100.0
    """Of the circles around labelled particles, in angstrom."""
    seed: int = 0
    """Seed of where crops lie."""


@dataclass(frozen=True)
class Closeness:
    """How close micrographs come to real ones; smaller is closer."""

    fid_convolutions: float
    """Of random convolutions' responses, in the real ones' standard deviations, by the number of features."""
    fid_spectra: float
    """Of log power spectra, likewise."""
    kid_convolutions: float
    spectrum_distance: float
    """Root mean square difference of mean log power spectra."""
    repeated_noise: float
    """Largest correlation of two micrographs of the kind itself, at any shift."""


def evaluate_micrographs(options: EvaluateMicrographs) -> None:
    """Measure, print, and write the figures and the page."""
    if not options.others:
        raise ValueError("give one folder or more of OTHERS")
    if options.crop < 32 or options.count < 2:
        raise ValueError(f"--crop must be 32 or more and --count 2 or more, not {options.crop} and {options.count}")
    sources = {"real": options.real, **dict(zip(_names(options.others), options.others, strict=True))}
    sizes = {name: _pixel_size(path, options.pixel_size, name == "real") for name, path in sources.items()}
    at = options.at or max(sizes.values())
    every = {name: [_at(image, sizes[name] / at) for image in _images(path)] for name, path in sources.items()}
    labelled = {name: _labelled(path, sizes[name] / at, options, name) for name, path in sources.items()}
    circled = {name: _circled(every[name], places, options, name) for name, places in labelled.items() if places}
    real = every.pop("real")
    if len(real) < 2:
        raise ValueError(f"{options.real}: holds one micrograph; two or more say how close real ones are to each other")
    # The floor is of every other real micrograph against the rest: what drifts in a session is in both.
    half, rest = (_crops(real[first::2], options, f"real {first}") for first in (0, 1))
    floor = _closeness(half, rest, _repeated(real), options.seed)
    reference = _crops(real, options, "real")
    crops = {name: _crops(own, options, name) for name, own in every.items()}
    found = {_FLOOR: floor}
    found |= {name: _closeness(reference, own, _repeated(every[name]), options.seed) for name, own in crops.items()}
    _print(found, options, at)
    options.out.mkdir(parents=True, exist_ok=True)
    figures = {name: asdict(one) for name, one in found.items()}
    with atomic_path(options.out / "figures.json") as temporary:
        settings = {"crop": options.crop, "count": options.count, "pixel_size": at}
        temporary.write_text(json.dumps({**settings, "micrographs": figures}, indent=2))
    report = micrographs_report({"real": reference, _FLOOR: rest, **crops}, figures, at, circled, options.diameter)
    print(f"report: {report.write(options.out / 'report.html')}")


def _names(paths: Sequence[Path]) -> list[str]:
    """What tells folders apart: their paths without what they have in common, and a data set's for its micrographs'."""
    folders = [path.resolve().parent if path.name == "micrographs" else path.resolve() for path in paths]
    shared = Path(os.path.commonpath([folder.parent for folder in folders]))
    names = [str(folder.relative_to(shared)) for folder in folders]
    return names if len({*names, "real", _FLOOR}) == len(names) + 2 else [str(path) for path in paths]


def _pixel_size(source: Path, given: float | None, real: bool) -> float:
    first = find_micrographs(source)[0]
    micrograph = read_micrograph(first)
    return known_pixel_size(first, micrograph, given if real else micrograph.pixel_size or given)


def _images(source: Path) -> list[Float[Tensor, "_y _x"]]:
    return [read_micrograph(path).image for path in find_micrographs(source)]


def _at(image: Float[Tensor, "_y _x"], factor: float) -> Float[Tensor, "_rows _columns"]:
    """An image of fewer pixels, if it has more per angstrom than are compared."""
    if factor > 1.001:
        raise ValueError(f"micrographs have {factor:.3g} times the pixel size at which they are compared; give --at")
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    return fourier_resize(image, size) if factor < 0.999 else image


def _crops(images: Sequence[Float[Tensor, "_y _x"]], options: EvaluateMicrographs, name: str) -> Float[Tensor, "n c c"]:
    """Crops from anywhere, flattened, their noise of variance 1: brightness and contrast as a whole do not count."""
    crop, flat = options.crop, [flattened(image, _FLAT * options.crop) for image in images]
    for image in flat:
        if min(image.shape) < crop:
            raise ValueError(f"{image.shape[1]} x {image.shape[0]} px are too few for crops of {crop}; give --crop")
    corners = _corners(flat, options, name)
    return torch.stack([flat[number][top : top + crop, left : left + crop] for number, top, left in corners])


def _corners(
    images: Sequence[Float[Tensor, "_y _x"]], options: EvaluateMicrographs, name: str
) -> list[tuple[int, int, int]]:
    """Where crops lie: micrograph, first row, first column."""
    generator = torch.Generator().manual_seed(stable_seed(options.seed, "crops", name))
    found = []
    for place in range(options.count):
        number = place % len(images)
        top, left = (
            int(torch.randint(side - options.crop + 1, (1,), generator=generator)) for side in images[number].shape
        )
        found.append((number, top, left))
    return found


def _labelled(source: Path, factor: float, options: EvaluateMicrographs, name: str) -> list[np.ndarray]:
    """The known particles of each micrograph in the pixels at which it is compared; nothing where none are known."""
    beside = [folder / "particles.star" for folder in (source, source.parent)]
    file = options.coordinates if name == "real" else next((path for path in beside if path.is_file()), None)
    if file is None:
        return []
    known, nobody = read_coordinates(file), Coordinates(np.empty((0, 2)))
    stems = [micrograph_stem(path.name) for path in find_micrographs(source)]
    # Half a pixel beyond a pixel's centre is its edge, at any scale.
    return [(known.get(stem, nobody).places + 0.5) * factor - 0.5 for stem in stems]


def _circled(
    images: Sequence[Float[Tensor, "_y _x"]], places: Sequence[np.ndarray], options: EvaluateMicrographs, name: str
) -> list[tuple[Float[Tensor, "c c"], np.ndarray]]:
    """A crop or two with the places of the particles on it."""
    found = []
    for number, top, left in _corners(images, options, name)[:_CIRCLED]:
        crop = flattened(images[number], _FLAT * options.crop)[top:, left:][: options.crop, : options.crop]
        own = places[number] - [left, top]
        found.append((crop, own[((own > 0) & (own < options.crop - 1)).all(1)]))
    return found


def _repeated(images: Sequence[Float[Tensor, "_y _x"]]) -> float:
    few = images[:_PAIRED]
    sides = [min(image.shape[axis] for image in few) for axis in (0, 1)]
    return largest_correlation([flattened(image[: sides[0], : sides[1]], min(sides) / 8) for image in few])


def _closeness(
    real: Float[Tensor, "real c c"], other: Float[Tensor, "other c c"], repeated: float, seed: int
) -> Closeness:
    net, generator = RandomFeatures(), torch.Generator().manual_seed(stable_seed(seed, "subsets"))
    convolutions = standardised(net(real), net(other))
    spectra = standardised(log_power(real), log_power(other))
    return Closeness(
        fid_convolutions=frechet_distance(*convolutions) / convolutions[0].shape[1],
        fid_spectra=frechet_distance(*spectra) / spectra[0].shape[1],
        kid_convolutions=kernel_distance(convolutions[0], convolutions[1], generator),
        spectrum_distance=spectrum_distance(real, other),
        repeated_noise=repeated,
    )


def _print(found: dict[str, Closeness], options: EvaluateMicrographs, at: float) -> None:
    table = Table(title=f"{options.count} crops of {options.crop} px at {at:.3g} angstrom", title_justify="left")
    table.add_column("against real ones")
    for name in next(iter(asdict(one) for one in found.values())):
        table.add_column(name.replace("_", " "))
    for name, one in found.items():
        table.add_row(name, *(f"{value:.3g}" for value in asdict(one).values()))
    Console().print(table)
