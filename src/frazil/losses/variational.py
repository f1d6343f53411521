"""The evidence lower bound of a variational autoencoder (Kingma & Welling, ICLR 2014)."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def misfit(
    observed: Complex[Tensor, "batch points"],
    expected: Complex[Tensor, "batch points"],
    precision: Float[Tensor, " points"],
) -> Float[Tensor, " batch"]:
    """-log p(image | latent), but for a constant: half the squared error over the noise's power."""
    return 0.5 * (torch.view_as_real(observed - expected).square().sum(-1) * precision).sum(-1)


def divergence_from_normal(
    mean: Float[Tensor, "batch latent"], log_variance: Float[Tensor, "batch latent"]
) -> Float[Tensor, " batch"]:
    """KL divergence of a normal distribution from the standard one, never negative (their appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
