"""What a micrograph says of itself without a label: how many particles, how strong, in what noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import half_plane_mean, on_rectangle
from frazil.inference.matched_filter import MatchedFilter, power_curve
from frazil.inference.picks import Picks, peaks

_SURE = 4.5  # standard deviations of the noise, which noise itself exceeds at a pixel of 300,000
_STRONG = 0.6  # of the median score of what is surely there, from which on a peak counts as a particle
_FAINT = 3.5  # standard deviations of the noise, from which on peaks say how particles' scores are distributed
_APART = 0.8  # of a diameter, the least distance of two peaks
_FREE = 0.75  # of a diameter: the background begins so far from a peak
_FEWEST = 12  # coefficients of which the whole field's power is taken, so that it may be steep
_FULL = 0.7  # of a field's area, that particles side by side are taken to cover at most
_NEAR = 0.05  # of the particles have a neighbour that is nearer than those that are told to come this close
_LEAST_KEPT = 0.1  # of the power of the slowest waves, taken to be left by flattening
_LEAST_LEFT = 0.5  # of the noise of a frequency, in one correction
_SLOW = 0.3  # of a frequency, the standard deviation of the windows over which noise is alike
_LEAST_FREE = 0.05  # of a micrograph, of which the noise's spectrum is taken if particles leave so much


@dataclass(frozen=True)
class FieldStatistics:
    """Of one micrograph; strengths are of protein that is dark."""

    power: Float[Tensor, "frequencies 2"]
    """Power spectrum of the whole field (`power_curve`)."""
    noise: Float[Tensor, "points 2"]
    """Of the background between the particles."""
    noise_variance: float
    unit: float
    """Score in the matched filter, in standard deviations of the noise, of the template itself."""
    found: Picks
    """What is surely a particle, or nearly as strong, by its score."""
    peaks: Float[Tensor, " peaks"]
    """Scores of all peaks that reach `least`, those of weak particles and of some noise among them."""
    false: Float[Tensor, " false"]
    """Scores of what looks like particles of the other sign: noise."""
    least: float

    @property
    def count(self) -> int:
        """Of what was found."""
        return len(self.found)

    @property
    def strength(self) -> float:
        """Of what was found, its image's size as a multiple of the template; 0 where there is nothing."""
        return float(self.found.score.median()) / self.unit if self.count else 0.0


def measure_field(
    field: Float[Tensor, "y x"], template: Float[Tensor, "box box"], pixel_size: float, diameter: float
) -> FieldStatistics:
    """Count particles of a diameter in angstrom on a micrograph, protein dark, and measure its noise between them.

    `template` is their mean image under the micrograph's lens, protein positive (`average_view`). The noise is that of
    the whole field at first, and then of what lies between the peaks.
    """
    size, distance = (field.shape[1], field.shape[0]), _APART * diameter / pixel_size
    noise = power_curve(field, pixel_size)
    first = peaks(MatchedFilter.of(template, noise, size, pixel_size).score(-field), distance, _SURE)
    free = _background(first.place, size, _FREE * diameter / pixel_size)
    if free.mean() > _LEAST_FREE:
        noise = power_curve(field, pixel_size, free)
    matched = MatchedFilter.of(template, noise, size, pixel_size)
    score = matched.score(-field)
    every, false = peaks(score, distance, _FAINT), peaks(-score, distance, _FAINT).score
    sure = every.score[every.score > _SURE]
    strong = _STRONG * float(sure.median()) if len(sure) else 0.0
    power = power_curve(field, pixel_size, fewest=_FEWEST)
    variance = half_plane_mean(on_rectangle(noise, size, pixel_size), size[0])
    least = max(_FAINT, strong)
    found = every[every.score > max(_SURE, strong)]
    counted, false = every.score[every.score > least], false[false > least]
    return FieldStatistics(power, noise, variance, matched.strength, found, counted, false, least)


def _background(place: Float[Tensor, "count xy"], size: tuple[int, int], radius_px: float) -> Float[Tensor, "y x"]:
    """1 farther than a radius from every place, 0 elsewhere."""
    x, y = torch.arange(float(size[0])), torch.arange(float(size[1]))[:, None]
    free = torch.ones(size[1], size[0])
    for across, down in place.tolist():
        free *= ((x - across) ** 2 + (y - down) ** 2 > radius_px**2).float()
    return free


def mean_curve(
    curves: Sequence[Float[Tensor, "_points 2"]], frequency: Float[Tensor, " points"]
) -> Float[Tensor, "points 2"]:
    """Mean of spectra of fields of any size, at some frequencies."""
    every = np.mean([np.interp(frequency, *curve.T.numpy()) for curve in curves], axis=0)
    return torch.stack([frequency, torch.from_numpy(every).float()], 1)


def closer_noise(
    noise: Float[Tensor, "points 2"],
    measured: Sequence[FieldStatistics],
    simulated: Sequence[FieldStatistics],
    blur: float,
    stronger: float,
) -> Float[Tensor, "points 2"]:
    """Noise with the power that simulated micrographs have too little of, once particles are `stronger` by a factor.

    It changes slowly with frequency: rings that the particles of the simulation lack, or have too strong, are not the
    noise's to make up, which would look like particles where there are none. What flattening with a blur of so many
    angstrom takes off the real ones it takes off the simulated ones again.
    """
    frequency = noise[:, 0]
    real, own = (mean_curve([one.power for one in every], frequency)[:, 1] for every in (measured, simulated))
    fine = len(frequency) // 2
    own = own * (real[fine:] / own[fine:]).median()
    kept = (1 - torch.exp(-2 * (torch.pi * blur * frequency).square())).square()
    particles = (own - kept * noise[:, 1]).clamp(min=0)
    missing = real - own - (stronger**2 - 1) * particles
    change = _slow(missing / kept.clamp(min=_LEAST_KEPT) / noise[:, 1], frequency)
    return torch.stack([frequency, noise[:, 1] * (1 + change).clamp(min=_LEAST_LEFT)], 1)


def _slow(values: Float[Tensor, " points"], frequency: Float[Tensor, " points"]) -> Float[Tensor, " points"]:
    """The part of a curve that changes slowly with the logarithm of frequency: its means over Gaussian windows."""
    apart = frequency.log()[:, None] - frequency.log()
    window = torch.exp(-((apart / _SLOW).square()) / 2)
    return (window @ values) / window.sum(1)


def crowding(measured: Sequence[FieldStatistics], most: float, size: tuple[int, int], across: float) -> float:
    """How much closer than side by side particles come that are so many pixels wide.

    Or must, lest there be no room for `most` of them on a field of a size.
    """
    nearest = [
        torch.cdist(one.found.place, one.found.place).fill_diagonal_(torch.inf).amin(1)
        for one in measured
        if one.count > 1
    ]
    close = float(torch.cat(nearest).quantile(_NEAR)) / across if nearest else 1.0
    room = math.sqrt(4 * _FULL * size[0] * size[1] / (math.pi * max(most, 1.0))) / across
    return round(min(1.0, max(0.0, 1 - min(close, room))), 3)
