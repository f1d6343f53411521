"""What a simulation is told so that its subtomograms are like real ones: range of tilts, noise, lens, strength."""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.measured_curves import write_noise_curve
from frazil.data.seeds import numbered_generator
from frazil.data.subtomogram_scenes import SubtomogramScene
from frazil.inference.subtomogram_statistics import (
    Powers,
    power_beside,
    powers,
    radial_profile,
    signal_misfit,
    strength_of,
    tilt_range,
    weighting,
)
from frazil.physics import CTFRanges
from frazil.physics.subtomograms import Strengths
from frazil.physics.tilt_scheme import TiltScheme
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, scene_of, structures_of

_SIGNAL, _NOISE = Strengths(1.0, 0.0), Strengths(0.0, 1.0)
_ROUNDS = 3  # of noise with the spectrum that was found, whose profile is nearer to the real one's
_FEW = 48  # simulated ones, of whose noise the spectrum is measured
_MANY = 256  # and its profile, whose error is soon as large as what molecules add to it
_CLEAN = 192  # molecules, each through a lens of its own: how strong one is, is its lens'
_FARTHER, _STEPS = 2**0.5, range(-3, 4)  # out of focus than told, each step of those that are tried
_FOUND = 1 / 3  # of the worst of their errors, below which the least one is no chance
_DEFOCUS = "least_defocus", "most_defocus"
_TRIED = 12  # and of each range that is tried
_REACH = 8  # degrees and less, by which what is seen reaches beyond the images
_IN_COMMON = 30  # degrees and more, over which a cosine changes
_EMPTY = 0.01  # of a volume's mean power: noise in its corners has far more
_STRONGEST = 0.95  # part of the variance that may be molecules', at most


@dataclass(frozen=True)
class SubtomogramMatch:
    """What was measured, and the simulation that has it."""

    simulation: SimulateSubtomograms
    share: float
    """Of the real volumes' variance, that of the molecules."""

    def figures(self) -> dict[str, float]:
        """What was found, by name."""
        tilts = self.simulation.tilts
        ends = dict(zip(("first_tilt", "last_tilt"), tilts.tilt_range, strict=True))
        lens = {} if self.simulation.ctf != "ranges" else dict(zip(_DEFOCUS, self.simulation.lens.defocus, strict=True))
        return {**ends, "tilt_weighting": tilts.tilt_weighting, **lens, "snr_db": self.simulation.snr_db}


def match_subtomograms(
    real: Float[Tensor, "count box box box"],
    like: SimulateSubtomograms,
    radius: float,
    noise: Path,
    known: Collection[str] = (),
) -> SubtomogramMatch:
    """The simulation whose subtomograms are as noisy as real ones of mean 0 and deviation 1, which are not labelled.

    Molecules reach `radius` angstrom from the middle; the spectrum of an image's noise is written to `noise`. Molecules
    are as strong as the power of real volumes rises to the middle beyond what noise's does. The range of tilts is
    measured, how images are weighted by their tilt, and how far out of focus they are, unless `known` names them
    (tilt_range, tilt_weighting, defocus).
    """
    if power_beside(real, like.box / 2 - 1).mean() < _EMPTY:
        raise ValueError("the real subtomograms are masked: beside the molecules, where noise is measured, is nothing")
    within, given = radius / like.pixel_size, like.tilts.tilt_range
    like, volumes = replace(like, noise="white"), structures_of(like)
    if "tilt_range" not in known:
        like = replace(like, tilts=_measured_tilts(real, like, volumes))
    elif not like.tilts.pretilts:
        _warn_of_others(tilt_range(real), given)
    if "tilt_weighting" not in known:
        like = replace(like, tilts=_weighted(real, like, volumes))
    clean = _made(_few(like, volumes, _CLEAN), _SIGNAL)
    like, made = _with_noise(real, like, volumes, clean, within, noise)
    if "defocus" not in known and like.ctf == "ranges":
        like = replace(like, lens=_measured_lens(powers(real, within), like, volumes, powers(made, within), within))
        clean = _made(_few(like, volumes, _CLEAN), _SIGNAL)
        if like.correction == "wiener":  # which filters noise by the lens
            like, made = _with_noise(real, like, volumes, clean, within, noise)
    strength = strength_of(radial_profile(clean), radial_profile(made), radial_profile(real))
    share = min(_STRONGEST, strength * float(clean.double().var((1, 2, 3)).mean()))
    if not share > 0:
        raise ValueError("the middle of the real subtomograms is no stronger than noise would make it")
    noise_std = math.sqrt((1 - share) / (strength * float(made.double().var((1, 2, 3)).mean())))
    snr_db = 20 * math.log10(scene_of(like, volumes).noise_std(0.0) / noise_std)
    return SubtomogramMatch(replace(like, snr_db=snr_db), share)


def _with_noise(
    real: Float[Tensor, "count box box box"],
    like: SimulateSubtomograms,
    volumes: list[Float[Tensor, "box box box"]],
    clean: Float[Tensor, "_clean box box box"],
    within: float,
    file: Path,
) -> tuple[SimulateSubtomograms, Float[Tensor, "_count box box box"]]:
    """The same whose noise has the power of real volumes beside molecules, its spectrum in a file; and such noise."""
    profile, beside = radial_profile(real), power_beside(real, within)
    spectrum = torch.ones(like.box // 2 + 1)
    for _ in range(_ROUNDS):
        _write(file, spectrum, like)
        made = _made(_few(replace(like, noise=str(file)), volumes), _NOISE)
        strength = strength_of(radial_profile(clean), radial_profile(made), profile)
        power = (beside - strength * power_beside(clean, within)).clamp(min=0)
        spectrum = spectrum * power / power_beside(made, within)
        spectrum[0] = spectrum[1]  # the mean of each volume was taken off
    _write(file, spectrum, like)
    like = replace(like, noise=str(file.resolve()))
    return like, _made(_few(like, volumes, _MANY), _NOISE)


def _measured_lens(
    real: Powers,
    like: SimulateSubtomograms,
    volumes: list[Float[Tensor, "box box box"]],
    noise: Powers,
    within: float,
) -> CTFRanges:
    """As told, but so much more or less out of focus that signals have the spectrum of what real volumes' middle has
    beyond noise; as told where no such focus is found."""
    low, high = like.lens.defocus
    tried = [replace(like.lens, defocus=(_FARTHER**step * low, _FARTHER**step * high)) for step in _STEPS]
    errors = []
    for lens in tried:
        clean = _made(_few(replace(like, lens=lens), volumes, _CLEAN), _SIGNAL)
        errors.append(signal_misfit(powers(clean, within), noise, real) ** 2)
    best = min(range(len(errors)), key=errors.__getitem__)
    if best in (0, len(errors) - 1) or not errors[best] < _FOUND * max(errors):
        print(
            "warning: no defocus makes the models' spectrum that of the molecules; it is taken to be"
            f" {low:.0f} to {high:.0f} angstrom (--defocus)"
        )
        return like.lens
    before, at, after = errors[best - 1 : best + 2]
    farther = _FARTHER ** (_STEPS[best] + 0.5 * (before - after) / (before - 2 * at + after))
    return replace(like.lens, defocus=(round(farther * low, -2), round(farther * high, -2)))


def _made(scene: SubtomogramScene, strengths: Strengths) -> Float[Tensor, "count box box box"]:
    """All its molecules, or noise alone, or both."""
    generator, made = numbered_generator(scene.seed, scene.tomograms), []
    for tomogram in range(scene.tomograms):
        labels, imaging = scene.labels(tomogram), scene.imaging.of_tomogram(tomogram)
        made.append(imaging.volumes_of(labels.molecules, labels.lens, strengths, generator))
    return torch.cat(made)


def _weighted(
    real: Float[Tensor, "count box box box"], like: SimulateSubtomograms, volumes: list[Float[Tensor, "box box box"]]
) -> TiltScheme:
    """With images weighted as the real ones' seem to have been, of the tilts that all tomograms have in common, if they
    have some."""
    tilts, pretilts = like.tilts, like.tilts.pretilts or (0.0,)
    common = tilts.tilt_range[0] + max(pretilts), tilts.tilt_range[1] + min(pretilts)
    if common[1] - common[0] < _IN_COMMON:
        return tilts
    more = weighting(real, _made(_few(like, volumes), _NOISE), common)
    return replace(tilts, tilt_weighting=round(tilts.tilt_weighting + more, 2))


def _warn_of_others(found: tuple[float, float], told: tuple[float, float]) -> None:
    """Say so where the missing wedge is not that of the tilts that were told."""
    beyond = (told[0] - found[0], found[1] - told[1])
    if not all(-_REACH / 2 < more < 1.5 * _REACH for more in beyond):
        print(
            f"warning: the missing wedge shows tilts from about {found[0]:.0f} to {found[1]:.0f} degrees, and"
            f" {told[0]:g} to {told[1]:g} were told"
        )


def _few(
    like: SimulateSubtomograms, volumes: list[Float[Tensor, "box box box"]], count: int = _FEW
) -> SubtomogramScene:
    """Some, each of a tomogram of its own."""
    return replace(scene_of(like, volumes), count=count, each=1)


def _measured_tilts(
    real: Float[Tensor, "count box box box"], like: SimulateSubtomograms, volumes: list[Float[Tensor, "box box box"]]
) -> TiltScheme:
    """Of tilts as far apart as they were, nearly, those of which noise shows the directions that real volumes do."""
    found = tilt_range(real)
    tried, shown = [], []
    for less in range(_REACH):
        tilts = _within(like.tilts, found[0] + less, found[1] - less)
        tried.append(tilts.tilt_range)
        few = _few(replace(like, tilts=tilts, seed=like.seed + less), volumes, _TRIED)
        shown.append(tilt_range(_made(few, _NOISE)))
    nearest = (torch.tensor(shown) - torch.tensor(found)).abs().argmin(0)
    return _within(like.tilts, *(tried[int(place)][end] for end, place in enumerate(nearest)))


def _within(tilts: TiltScheme, first: float, last: float) -> TiltScheme:
    """Tilts between the first and the last, both among them, to the next degree."""
    low, high = max(-90.0, float(round(first))), min(90.0, float(round(last)))
    return replace(
        tilts, tilt_range=(low, high), tilt_step=(high - low) / max(1, round((high - low) / tilts.tilt_step))
    )


def _write(file: Path, spectrum: Float[Tensor, " shells"], like: SimulateSubtomograms) -> None:
    """The spectrum of the shells of a box, as `--noise` reads it."""
    frequency = torch.arange(len(spectrum)) / (like.box * like.pixel_size)
    write_noise_curve(file, torch.stack([frequency, spectrum], 1).numpy())
