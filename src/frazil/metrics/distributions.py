"""How far two sets of images are from each other, by features of each image."""

import torch
from jaxtyping import Float
from torch import Tensor

_SUBSETS, _OF = 50, 100  # of which KID is the mean, and images in each


def frechet_distance(real: Float[Tensor, "real features"], other: Float[Tensor, "other features"]) -> float:
    """Squared Frechet distance of two sets, each taken for a normal distribution: FID, with its features named.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), Heusel et al. (NeurIPS 2017), equation 6. It is biased upwards by few
    images: compare numbers of equal sets alone.
    """
    first, second = real.double(), other.double()
    gap = (first.mean(0) - second.mean(0)).square().sum()
    covariances = [values.T.cov() for values in (first, second)]
    # (C1 C2)^(1/2) has the trace of (R C2 R)^(1/2), R the root of C1: symmetric, and no worse where C is singular.
    values, vectors = torch.linalg.eigh(covariances[0])
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ covariances[1] @ root).clamp(min=0).sqrt().sum()
    return float(gap + sum(covariance.trace() for covariance in covariances) - 2 * cross)


def kernel_distance(
    real: Float[Tensor, "real features"], other: Float[Tensor, "other features"], generator: torch.Generator
) -> float:
    """Squared maximum mean discrepancy with the kernel (x y / features + 1)^3, without bias: KID.

    Mean over 50 random subsets of 100 (Binkowski et al., ICLR 2018), fewer where there are fewer images.
    """
    size = min(_OF, len(real), len(other))
    found = []
    for _ in range(_SUBSETS):
        first, second = (
            values[torch.randperm(len(values), generator=generator)[:size]].double() for values in (real, other)
        )
        inner = [(_kernel(values, values).sum() - _kernel(values, values).trace()) for values in (first, second)]
        found.append(sum(inner) / (size * (size - 1)) - 2 * _kernel(first, second).mean())
    return float(torch.stack(found).mean())


def _kernel(first: Tensor, second: Tensor) -> Float[Tensor, "first second"]:
    return (first @ second.T / first.shape[1] + 1) ** 3


def standardised(
    real: Float[Tensor, "real features"], other: Float[Tensor, "other features"]
) -> tuple[Float[Tensor, "real features"], Float[Tensor, "other features"]]:
    """Features of both sets in the standard deviations of the real ones, about their mean."""
    centre, spread = real.mean(0), real.std(0).clamp(min=1e-9)
    return (real - centre) / spread, (other - centre) / spread


def inception_score(probability: Float[Tensor, "count classes"]) -> float:
    """exp(mean KL(p(class | sample), p(class))): from 1 to the number of classes, told apart and all there.

    Salimans et al. (NeurIPS 2016), with whatever classifier gave the probabilities.
    """
    each = probability.double().clamp(min=1e-12)
    return float((each * (each.log() - each.mean(0).log())).sum(1).mean().exp())
