"""What a micrograph says of itself without a label: how many particles, how strong, in what noise."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import half_plane_mean, on_rectangle
from frazil.inference.matched_filter import MatchedFilter, power_curve
from frazil.inference.picks import Picks, peaks

_SURE = 4.5  # standard deviations of the noise, which noise itself exceeds at a pixel of 300,000
_STRONG = 0.6  # of the median score of what is surely there, from which on a peak counts as a particle
_APART = 0.8  # of a diameter, the least distance of two peaks
_FREE = 0.75  # of a diameter: the background begins so far from a peak
_FEWEST = 12  # coefficients of which the whole field's power is taken, so that it may be steep
_LEAST_FREE = 0.05  # of a micrograph, of which the noise's spectrum is taken if particles leave so much


@dataclass(frozen=True)
class FieldStatistics:
    """Of one micrograph; strengths are of protein that is dark."""

    count: int
    """Particles."""
    score: float
    """Their median score in the matched filter, in standard deviations of the noise; 0 where there are none."""
    strength: float
    """Their image's size as a multiple of the template."""
    power: Float[Tensor, "frequencies 2"]
    """Power spectrum of the whole field (`power_curve`)."""
    noise: Float[Tensor, "points 2"]
    """Of the background between the particles."""
    noise_variance: float
    found: Picks

    @property
    def contrast(self) -> float:
        """Strength by the noise's standard deviation."""
        return self.strength / self.noise_variance**0.5


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
    every = peaks(matched.score(-field), distance, _SURE)
    sure = every.score[every.score > _SURE]
    least = max(_SURE, _STRONG * float(sure.median())) if len(sure) else _SURE
    found = every[every.score > least]
    score = float(found.score.median()) if len(found) else 0.0
    power = power_curve(field, pixel_size, fewest=_FEWEST)
    variance = half_plane_mean(on_rectangle(noise, size, pixel_size), size[0])
    return FieldStatistics(len(found), score, score / matched.strength, power, noise, variance, found)


def _background(place: Float[Tensor, "count xy"], size: tuple[int, int], radius_px: float) -> Float[Tensor, "y x"]:
    """1 farther than a radius from every place, 0 elsewhere."""
    x, y = torch.arange(float(size[0])), torch.arange(float(size[1]))[:, None]
    free = torch.ones(size[1], size[0])
    for across, down in place.tolist():
        free *= ((x - across) ** 2 + (y - down) ** 2 > radius_px**2).float()
    return free
