"""`frazil evaluate micrographs`: how close simulated or generated micrographs come to real ones."""

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor

from frazil.data.micrograph_sets import MicrographSet
from frazil.data.micrographs import flattened
from frazil.io import Coordinates, atomic_path
from frazil.io.coordinates import read_coordinates, refuse_other_pixels
from frazil.io.micrographs import find_micrographs, micrograph_stem, read_micrograph
from frazil.methods.base import stable_seed
from frazil.metrics.distributions import frechet_distance, kernel_distance, standardised
from frazil.metrics.memorised import largest_correlation
from frazil.metrics.spectra import log_power, spectrum_distance
from frazil.nets.feature_nets import RandomFeatures
from frazil.recipes.results.evaluation import refuse_run
from frazil.report.micrographs import micrographs_report

_DRAWS = 3  # of micrographs and crops, whose figures are averaged
_EACH = 8  # crops of a micrograph at least, lest too many have to be read
_AT_ONCE = 16  # crops that a network sees
_PAIRED = 6  # micrographs of each kind of which every two are compared
_CIRCLED = 6  # crops of each kind that are shown with their labels
_FLOOR = "real ones again"


@dataclass(frozen=True)
class EvaluateMicrographs:
    """Hold micrographs against real ones: FID and KID of random convolutions and of spectra, spectra, repeated noise.

    Beside every figure stands that of the real micrographs against each other, the floor. All figures are of as many
    crops of as many micrographs, half of the real ones or as many as the smallest set has.
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
    refuse_run(options.out)
    if not options.others:
        raise ValueError("give one folder or more of OTHERS")
    if options.crop < 32 or options.count < 2:
        raise ValueError(f"--crop must be 32 or more and --count 2 or more, not {options.crop} and {options.count}")
    real, *others = _at_one_pixel_size(options)
    if len(real) < 2:
        raise ValueError(f"{options.real}: holds one micrograph; two or more say how close real ones are to each other")
    sets = dict(zip(_names(options.others), others, strict=True))
    labelled = {
        name: places for name, own in {"real": real, **sets}.items() if (places := _circled(own, options, name))
    }
    draws = [_draw(real, sets, options, number) for number in range(_DRAWS)]
    found = {}
    for name, own in {_FLOOR: real, **sets}.items():
        every = [_distances(crops["real"], crops[name], options.seed) for crops in draws]
        means = {key: statistics.mean(one[key] for one in every) for key in every[0]}
        found[name] = Closeness(**means, repeated_noise=_repeated(own))
    at = real.pixel_size / real.factor
    _print(found, options, at)
    options.out.mkdir(parents=True, exist_ok=True)
    figures = {name: asdict(one) for name, one in found.items()}
    with atomic_path(options.out / "figures.json") as temporary:
        settings = {"crop": options.crop, "count": options.count, "pixel_size": at}
        temporary.write_text(json.dumps({**settings, "micrographs": figures}, indent=2))
    report = micrographs_report(draws[0], figures, at, labelled, options.diameter)
    print(f"report: {report.write(options.out / 'report.html')}")


def _at_one_pixel_size(options: EvaluateMicrographs) -> list[MicrographSet]:
    """The real micrographs and the others, seen at the coarsest pixel size or the one asked for."""
    sets = [MicrographSet(options.real, options.pixel_size)]
    for path in options.others:
        own = read_micrograph(find_micrographs(path)[0]).pixel_size
        sets.append(MicrographSet(path, own or options.pixel_size))
    at = options.at or max(own.pixel_size for own in sets)
    return [replace(own, at=at) for own in sets]


def _draw(
    real: MicrographSet, sets: Mapping[str, MicrographSet], options: EvaluateMicrographs, number: int
) -> dict[str, Float[Tensor, "count c c"]]:
    """Crops of each kind, of as many micrographs: distances of small sets depend on how many there are.

    The real ones are the reference, other real ones the floor.
    """
    most = max(1, options.count // _EACH)
    used = min(len(real) // 2, most, *map(len, sets.values()))
    seed = stable_seed(options.seed, "crops", number)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(real), generator=generator).tolist()
    chosen = {"real": (real, order[:used]), _FLOOR: (real, order[used : 2 * used])}
    for name, own in sets.items():
        chosen[name] = (own, torch.randperm(len(own), generator=generator)[:used].tolist())
    return {name: own.crops(rows, options.count, options.crop, seed) for name, (own, rows) in chosen.items()}


def _names(paths: Sequence[Path]) -> list[str]:
    """What tells folders apart: their paths without what they have in common, and a data set's for its micrographs'."""
    folders = [path.resolve().parent if path.name == "micrographs" else path.resolve() for path in paths]
    shared = Path(os.path.commonpath([folder.parent for folder in folders]))
    names = [str(folder.relative_to(shared)) for folder in folders]
    return names if len({*names, "real", _FLOOR}) == len(names) + 2 else [str(path) for path in paths]


def _labelled(own: MicrographSet, options: EvaluateMicrographs, name: str) -> list[np.ndarray]:
    """The known particles of each micrograph in the pixels at which it is compared; nothing where none are known."""
    beside = [folder / "particles.star" for folder in (own.source, own.source.parent)]
    file = options.coordinates if name == "real" else next((path for path in beside if path.is_file()), None)
    if file is None:
        return []
    known, nobody = read_coordinates(file), Coordinates(np.empty((0, 2)))
    stems = [micrograph_stem(path.name) for path in own.paths]
    for stem in {*stems} & {*known}:
        refuse_other_pixels(file, stem, known[stem].pixel_size, own.pixel_size)
    # Half a pixel beyond a pixel's centre is its edge, at any scale.
    return [(known.get(stem, nobody).places + 0.5) * own.factor - 0.5 for stem in stems]


def _circled(
    own: MicrographSet, options: EvaluateMicrographs, name: str
) -> list[tuple[Float[Tensor, "c c"], np.ndarray]]:
    """A few crops with the places of the particles on it."""
    found = []
    for number, places in enumerate(_labelled(own, options, name)[:_CIRCLED]):
        crop, (top, left) = own.crop_with_corner(number, options.crop, options.seed)
        there = places - [left, top]
        found.append((crop, there[((there > 0) & (there < options.crop - 1)).all(1)]))
    return found


def _repeated(own: MicrographSet) -> float:
    few = [own.image(number) for number in range(min(len(own), _PAIRED))]
    sides = [min(image.shape[axis] for image in few) for axis in (0, 1)]
    return largest_correlation([flattened(image[: sides[0], : sides[1]], min(sides) / 8) for image in few])


def _distances(real: Float[Tensor, "real c c"], other: Float[Tensor, "other c c"], seed: int) -> dict[str, float]:
    net, generator = RandomFeatures(), torch.Generator().manual_seed(stable_seed(seed, "subsets"))
    seen = [torch.cat([net(part) for part in images.split(_AT_ONCE)]) for images in (real, other)]
    convolutions = standardised(*seen)
    spectra = standardised(log_power(real), log_power(other))
    return {
        "fid_convolutions": frechet_distance(*convolutions) / convolutions[0].shape[1],
        "fid_spectra": frechet_distance(*spectra) / spectra[0].shape[1],
        "kid_convolutions": kernel_distance(convolutions[0], convolutions[1], generator),
        "spectrum_distance": spectrum_distance(real, other),
    }


def _print(found: dict[str, Closeness], options: EvaluateMicrographs, at: float) -> None:
    table = Table(title=f"{options.count} crops of {options.crop} px at {at:.3g} angstrom", title_justify="left")
    table.add_column("against real ones")
    for name in next(iter(asdict(one) for one in found.values())):
        table.add_column(name.replace("_", " "))
    for name, one in found.items():
        table.add_row(name, *(f"{value:.3g}" for value in asdict(one).values()))
    Console().print(table)
