"""How well one set of samples covers another, by nearest neighbours: precision, recall, density, coverage."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

_AT_ONCE = 8192  # features


@dataclass(frozen=True)
class Manifolds:
    """What fractions of two sets lie in each other's balls of k nearest neighbours."""

    precision: float
    """Of the made ones, in a ball about a real one."""
    recall: float
    """Of the real ones, in a ball about a made one."""
    density: float
    """Balls about real ones that a made one lies in on average, over k; 1 for a second draw of the real ones."""
    coverage: float
    """Of the balls about real ones, those that hold a made one; 1 - 2^-k for a second draw."""


def manifolds(
    real: Float[Tensor, "real features"], made: Float[Tensor, "made features"], neighbours: int = 5
) -> Manifolds:
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al., ICML 2020).

    ValueError for sets of no more samples than neighbours.
    """
    if min(len(real), len(made)) <= neighbours:
        raise ValueError(f"{len(real)} and {len(made)} samples are too few for {neighbours} neighbours of each")
    about_real, about_made = (_radius(values, neighbours) for values in (real, made))
    apart = _distances(real, made)
    in_real, in_made = apart < about_real[:, None], apart < about_made
    return Manifolds(
        precision=float(in_real.any(0).double().mean()),
        recall=float(in_made.any(1).double().mean()),
        density=float(in_real.double().sum(0).mean() / neighbours),
        coverage=float((apart.amin(1) < about_real).double().mean()),
    )


def _distances(
    first: Float[Tensor, "first features"], second: Float[Tensor, "second features"]
) -> Float[Tensor, "first second"]:
    """Between all pairs, in double precision; volumes have more features than that precision has room for at once."""
    square = torch.zeros(len(first), len(second), dtype=torch.float64)
    for one, two in zip(first.split(_AT_ONCE, 1), second.split(_AT_ONCE, 1), strict=True):
        one, two = one.double(), two.double()
        square += one.square().sum(1)[:, None] + two.square().sum(1) - 2 * one @ two.T
    return square.clamp(min=0).sqrt()


def _radius(values: Float[Tensor, "count features"], neighbours: int) -> Float[Tensor, " count"]:
    """Distance of each sample to the last of its nearest neighbours."""
    apart = _distances(values, values)
    return apart.kthvalue(neighbours + 1, dim=1).values  # the nearest is the sample itself
