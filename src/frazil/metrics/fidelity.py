"""One set of volumes held against another, by everything that has been proposed for subtomograms."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from frazil.metrics.distributions import frechet_distance, inception_score, standardised
from frazil.metrics.prdc import Manifolds, manifolds
from frazil.metrics.volume_spectra import sector_distances, sector_power

_AT_ONCE = 64  # volumes
_STABLE = 1e-4, 9e-4  # of the range squared, which keep quotients of small numbers near 1


@dataclass(frozen=True)
class Seen:
    """Volumes, and what a classifier makes of them."""

    volumes: Float[Tensor, "count box box box"]
    features: Float[Tensor, "count features"]
    probability: Float[Tensor, "count classes"]


@dataclass(frozen=True)
class Fidelity:
    """How like real volumes others are."""

    similarity: float
    """Structural similarity of pairs taken as they come."""
    voxels: Manifolds
    """On raw voxels, as published."""
    features: Manifolds
    """On a classifier's features."""
    fid: float
    """On the same, in the real ones' standard deviations, by the number of features."""
    inception_score: float
    sectors: Float[Tensor, " sectors"]
    """Distances of the spectra by direction; the last is the wedge's."""


def fidelity(real: Seen, made: Seen, neighbours: int = 5) -> Fidelity:
    """Every figure; both sets should have as many volumes."""
    first, second = standardised(real.features, made.features)
    return Fidelity(
        similarity=_similarity(real.volumes, made.volumes),
        voxels=manifolds(real.volumes.flatten(1), made.volumes.flatten(1), neighbours),
        features=manifolds(first, second, neighbours),
        fid=frechet_distance(first, second) / first.shape[1],
        inception_score=inception_score(made.probability),
        sectors=sector_distances(sector_power(real.volumes), sector_power(made.volumes)),
    )


def _similarity(first: Float[Tensor, "count box box box"], second: Float[Tensor, "other box box box"]) -> float:
    """Mean structural similarity, one window the whole volume (Wang et al. 2004, equation 13)."""
    count = min(len(first), len(second))
    span = float(first.max() - first.min()) ** 2
    low, high = (constant * span for constant in _STABLE)
    total = 0.0
    for one, two in zip(first[:count].split(_AT_ONCE), second[:count].split(_AT_ONCE), strict=True):
        x, y = one.flatten(1).double(), two.flatten(1).double()
        mean_x, mean_y = x.mean(1), y.mean(1)
        both = ((x - mean_x[:, None]) * (y - mean_y[:, None])).mean(1)
        brightness = (2 * mean_x * mean_y + low) / (mean_x**2 + mean_y**2 + low)
        structure = (2 * both + high) / (x.var(1, correction=0) + y.var(1, correction=0) + high)
        total += float((brightness * structure).sum())
    return total / count
