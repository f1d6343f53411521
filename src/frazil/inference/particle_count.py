"""How many particles micrographs hold and how strong they are, those that do not stand out from the noise included."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.stats import norm

from frazil.inference.field_statistics import FieldStatistics

_NOISE = 0.8  # standard deviation of the score of a particle whose peak is looked for, by the noise around it
_VIEWS = 0.15  # of its mean, by views, depths and neighbours
_WEAKEST = 3.0  # standard deviations of the noise: weaker particles than so much below what is counted are not told
_STRONGEST = 2.0  # of the highest score


@dataclass(frozen=True)
class ParticleCount:
    """Of micrographs of one kind."""

    mean: float
    """Particles on a micrograph."""
    deviation: float
    """Between micrographs, beyond what chance makes of those that are seen."""
    strength: float
    """Median particle's image as a multiple of the template."""
    score: float
    """Its score in the matched filter, in standard deviations of the noise."""
    seen: float
    """The share of the particles that score enough to be counted; how many more there are is an inference."""


def particle_count(measured: Sequence[FieldStatistics]) -> ParticleCount:
    """Number and strength of particles, from how the scores are distributed that are high enough to be counted.

    Scores of particles are a normal distribution's, cut off below each micrograph's least, and among them are as many
    of noise alone as in the negative of the micrographs: the strength is the one at which the median is where it is
    seen, and the share that was cut off follows. Where particles are as weak as the noise, a mean of those that stand
    out is one of lucky ones, and their number is far too low. Nothing where no more is seen than in the negative.
    """
    scores = torch.cat([one.peaks for one in measured]).double().numpy()
    false = torch.cat([one.false for one in measured]).double().numpy()
    more = len(scores) - len(false)
    if more <= 0:
        return ParticleCount(0.0, 0.0, 0.0, 0.0, 0.0)
    unit = float(np.mean([one.unit for one in measured]))
    middle = float(np.median(scores))

    def off(strength: float) -> float:
        """How many more peaks than half of them are expected to be above their median."""
        mean = more / _above(measured, 0.0, strength).sum()
        return mean * _above(measured, middle, strength).sum() + (false > middle).sum() - len(scores) / 2

    lowest = max(float(np.mean([one.least for one in measured])) - _WEAKEST, 0.1) / unit
    highest = _STRONGEST * float(scores.max()) / unit
    strength = lowest if off(lowest) > 0 else highest if off(highest) < 0 else float(brentq(off, lowest, highest))
    seen = _above(measured, 0.0, strength)
    counts = np.array([len(one.peaks) - len(one.false) for one in measured])
    mean = float(more / seen.sum())
    by_chance = float((mean * (1 - seen) / seen + 2 * len(false) / len(measured) / seen**2).mean())
    spread = float((counts / seen).var(ddof=1)) - by_chance if len(counts) > 1 else 0.0
    return ParticleCount(mean, math.sqrt(max(0.0, spread)), strength, strength * unit, float(seen.mean()))


def _above(fields: Sequence[FieldStatistics], score: float, strength: float) -> np.ndarray:
    """The share of each field's particles of a strength that score more, and enough to be counted."""
    mean = np.array([strength * one.unit for one in fields])
    least = np.array([max(score, one.least) for one in fields])
    return norm.sf(least, mean, np.hypot(_NOISE, _VIEWS * mean))
