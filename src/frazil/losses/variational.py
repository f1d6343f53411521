"""The evidence lower bound of a variational autoencoder (Kingma & Welling, ICLR 2014)."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor


@dataclass(frozen=True)
class Strength:
    """How strongly each image shows its particle, by what it says: a normal distribution, around 1 beforehand."""

    mean: Float[Tensor, " batch"]
    variance: Float[Tensor, " batch"]


@dataclass(frozen=True)
class ReconstructionError:
    """What images say against what is expected of them, in units of the noise; how strongly they show it may vary.

    An image is s E + n, with white noise n of variance 1 and s of variance `spread` around 1. By s its likelihood is a
    normal distribution's, so s can be integrated out.
    """

    error: Float[Tensor, " batch"]
    """Half the squared error where s is 1."""
    slope: Float[Tensor, " batch"]
    """<E, X - E>: the log-likelihood's derivative by s, there."""
    power: Float[Tensor, " batch"]
    """<E, E>: what the image says of s."""
    spread: Float[Tensor, ""]

    @classmethod
    def of(
        cls,
        observed: Complex[Tensor, "batch points"],
        expected: Complex[Tensor, "batch points"],
        precision: Float[Tensor, " points"],
        spread: Float[Tensor, ""],
    ) -> "ReconstructionError":
        """Of images, each point's error counted as `precision` says."""
        left, own = torch.view_as_real(observed - expected), torch.view_as_real(expected)
        products = [(first * second).sum(-1) @ precision for first, second in ((left, left), (own, left), (own, own))]
        return cls(0.5 * products[0], products[1], products[2], spread)

    @property
    def loss(self) -> Float[Tensor, " batch"]:
        """-log p(image | latent), but for a constant."""
        certain = 1 + self.spread * self.power
        return self.error - 0.5 * self.spread * self.slope.square() / certain + 0.5 * certain.log()

    @property
    def strength(self) -> Strength:
        """How strongly each image shows what is expected."""
        variance = self.spread / (1 + self.spread * self.power)
        return Strength(1 + variance * self.slope, variance)


def divergence_from_normal(
    mean: Float[Tensor, "batch latent"], log_variance: Float[Tensor, "batch latent"]
) -> Float[Tensor, " batch"]:
    """KL divergence of a normal distribution from the standard one, never negative (their appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
