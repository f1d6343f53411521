"""`frazil pick train` and `frazil pick apply`: a picker from known particles, and coordinates from it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro

from frazil.data.micrograph_crops import Crops, CropSampler, KnownMicrograph
from frazil.data.micrographs import ScaledMicrograph, scaled_micrograph
from frazil.io import atomic_path, fingerprint, read_record, refuse_what_is_there, write_for_pickers
from frazil.io.coordinates import Coordinates, read_coordinates, refuse_other_pixels, refuse_topaz_on_tiff, write_relion
from frazil.io.micrographs import TIFF, find_micrographs, known_pixel_size, micrograph_stem, read_micrograph
from frazil.methods import StepContext
from frazil.methods.base import stable_seed
from frazil.methods.pick import PickConfig, Picker
from frazil.recipes.running.learning import fit_settings, load_learnt, say_if_stopped, write_report
from frazil.recipes.running.progress import progress_bar
from frazil.report.pick import PICK_SCALARS, pick_report, picks_figure
from frazil.report.run_story import RunStory
from frazil.training import RunFolder, choose_device, fit

_UNJUDGED = 0.5  # least score of a pick where no micrograph was held out


@dataclass(frozen=True)
class PickTrain:
    """Train a picker on micrographs whose particles are known, real or simulated ones."""

    micrographs: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MICROGRAPHS")]
    """Folder of micrographs (MRC, PNG, TIFF), or a STAR file that names them."""
    coordinates: Path
    """Where their particles are: STAR (RELION), .txt (Topaz), or a folder of .box or .cbox files."""
    out: Path
    """Folder of the run; the same command goes on where it stopped."""
    diameter: float
    """Particle diameter in angstrom."""
    pixel_size: float | None = None
    """Of the micrographs, in angstrom, where their files do not say."""
    held_out: float = 0.1
    """Share of the micrographs by which the picker is judged, and from which it does not learn."""
    seed: int = 0
    """Seed of everything random."""
    max_minutes: float | None = None
    """Stop after this long; the same command goes on."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """bf16-mixed: the network in bfloat16."""
    learning: PickConfig = field(default_factory=PickConfig)
    """How it learns."""


@dataclass(frozen=True)
class PickApply:
    """Find particles on micrographs with a picker that was trained."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of `frazil pick train`."""
    micrographs: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MICROGRAPHS")]
    """Folder of micrographs, a STAR file that names them, or one micrograph."""
    out: Path
    """Folder for picks.star, picks.txt, boxes/ and cboxes/."""
    threshold: float | None = None
    """Least score, 0 to 1; default what gave the highest F1 on the micrographs held out."""
    pixel_size: float | None = None
    """Of the micrographs, in angstrom, where their files do not say."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""


def train(options: PickTrain) -> int:
    """Learn, and write the report; the exit code."""
    if not options.diameter > 0:
        raise ValueError(f"--diameter must be positive, it is {options.diameter:g}")
    if not 0 <= options.held_out < 1:
        raise ValueError(f"--held-out must lie in 0 ... 1, it is {options.held_out:g}")
    paths = find_micrographs(options.micrographs)
    known = _known(paths, options)
    judges, learnt = _split(known, options)
    method = Picker(options.learning, judges, options.seed)
    sampler = CropSampler(learnt, options.learning.crop, options.learning.particle_px)
    settings = fit_settings(options, options.learning.steps, precision=options.precision)
    inputs = {path: fingerprint(path) for path in paths} | _fingerprints(options.coordinates)
    folder = RunFolder.open(options.out, asdict(options), inputs)

    def batches(context: StepContext) -> Crops:
        drawn = sampler.draw(options.learning.batch_size, context.generator("crops", device="cpu"))
        own = context.share(options.learning.batch_size)
        return Crops(drawn.images[own].to(context.device), drawn.truth[own].to(context.device))

    finished = fit(method, batches, settings, folder)
    if folder.is_main:
        _report(method, judges[0] if judges else learnt[0], folder, options)
        say_if_stopped(finished)
    return 0


def _report(method: Picker, shown: KnownMicrograph, folder: RunFolder, options: PickTrain) -> None:
    """What the picker is worth, on its page; and the least score that is a pick unless a user says otherwise."""
    judged = method.judge()
    threshold = _UNJUDGED if judged is None or not len(judged.score) else float(judged.score[judged.best])
    with atomic_path(folder.path / "picker.json") as temporary:
        temporary.write_text(json.dumps({"threshold": threshold}))
    picks = method.pick(shown.seen.image)
    picks = picks[picks.score >= threshold]
    particle_px = options.learning.particle_px
    figure = picks_figure(shown.seen.image, picks.place, particle_px, options.diameter / particle_px, shown.seen.name)
    story = RunStory(f"Picker: {options.micrographs.resolve().name}", PICK_SCALARS, folder)
    if judged is not None:
        print(f"AUPRC {judged.area:.3f}, F1 {judged.f1:.3f} at a score of {threshold:.2f}, of micrographs held out")
    write_report(pick_report(judged, figure, story), folder)


def _fingerprints(coordinates: Path) -> dict[Path, str]:
    files = sorted(path for path in coordinates.iterdir() if path.is_file()) if coordinates.is_dir() else [coordinates]
    return {path: fingerprint(path) for path in files}


def _known(paths: list[Path], options: PickTrain) -> list[KnownMicrograph]:
    """The micrographs that coordinates are known of."""
    refuse_topaz_on_tiff(options.coordinates, paths)
    places = read_coordinates(options.coordinates)
    named = [path for path in paths if micrograph_stem(path.name) in places]
    if not named:
        example = f"{paths[0].name}, say" if paths else "none"
        raise ValueError(f"{options.coordinates}: has no particles on any of {options.micrographs} ({example})")
    known = []
    with progress_bar("micrographs", len(named)) as advance:
        for path in named:
            own = places[micrograph_stem(path.name)]
            raw = read_micrograph(path)
            pixel_size = known_pixel_size(path, raw, options.pixel_size)
            refuse_other_pixels(options.coordinates, path.name, own.pixel_size, pixel_size)
            seen = scaled_micrograph(path.name, raw.image, options.diameter / pixel_size, options.learning.particle_px)
            _check_inside(options.coordinates, path, own.places, seen)
            known.append(KnownMicrograph(seen, seen.to_scale(own.places)))
            advance(1)
    return known


def _check_inside(coordinates: Path, path: Path, places: np.ndarray, seen: ScaledMicrograph) -> None:
    """ValueError where a particle is off its micrograph: coordinates of another pixel size, as a rule."""
    height, width = seen.image.shape
    sides = (torch.tensor([width, height]) / seen.scale).numpy()
    outside = ((places < -1) | (places > sides + 1)).any(1)
    if outside.any():
        row = int(outside.argmax())
        x, y = places[row]
        raise ValueError(
            f"{coordinates}: particle {row + 1} of {path.name} lies at {x:g}, {y:g}, but the micrograph has"
            f" {round(sides[0])} x {round(sides[1])} px; are these coordinates of another pixel size?"
        )


def _split(known: list[KnownMicrograph], options: PickTrain) -> tuple[list[KnownMicrograph], list[KnownMicrograph]]:
    """Those held out, at least one of several, and the others."""
    generator = torch.Generator().manual_seed(stable_seed(options.seed, "held out"))
    order = torch.randperm(len(known), generator=generator).tolist()
    count = min(len(known) - 1, max(1, round(options.held_out * len(known)))) if options.held_out else 0
    return [known[number] for number in sorted(order[:count])], [known[number] for number in sorted(order[count:])]


def apply(options: PickApply) -> None:
    """Write the coordinates found."""
    files = [options.out / name for name in ("picks.star", "picks.txt")]
    refuse_what_is_there(*files)
    device = choose_device(options.device)
    method = load_learnt(
        options.run,
        lambda config: Picker(PickConfig(**config["learning"]), [], seed=0),
        device,
        "pick train",
        "picker.json",
    )
    diameter = read_record(options.run / "config.json", "config")["config"]["diameter"]
    particle_px, threshold = method.config.particle_px, options.threshold
    if threshold is None:
        threshold = json.loads((options.run / "picker.json").read_text())["threshold"]
    found: dict[str, Coordinates] = {}
    sizes: dict[str, float] = {}
    paths = find_micrographs(options.micrographs)
    with progress_bar("micrographs", len(paths)) as advance:
        for path in paths:
            raw = read_micrograph(path)
            pixel_size = known_pixel_size(path, raw, options.pixel_size)
            seen = scaled_micrograph(path.name, raw.image, diameter / pixel_size, particle_px)
            picks = method.pick(seen.image)
            picks = picks[picks.score >= threshold]
            found[path.name] = Coordinates(seen.to_file(picks.place), picks.score.double().numpy())
            sizes[path.name] = particle_px / float(seen.scale[0])
            advance(1)
    _write(options.out, found, sizes)
    count = sum(len(own.places) for own in found.values())
    print(f"{options.out}: {count} particles on {len(found)} micrographs, scores of {threshold:.2f} or more")


def _write(out: Path, found: Mapping[str, Coordinates], sizes: Mapping[str, float]) -> None:
    """Coordinates in every format; `sizes` are particles' diameters in each micrograph's pixels."""
    write_for_pickers(out, "picks.txt", found, sizes)
    if any(Path(name).suffix.lower() in TIFF for name in found):
        (out / "picks.txt").unlink()
        print(f"{out}: no picks.txt, for Topaz counts the rows of TIFF files from the other end")
    write_relion(out / "picks.star", found)
