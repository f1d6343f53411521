"""The two halves of the evidence lower bound, against torch's own distributions."""

import torch
from torch.distributions import Normal, kl_divergence

from frazil.losses import divergence_from_normal, misfit


def test_the_divergence_is_that_of_normal_distributions_and_never_negative() -> None:
    mean, log_variance = torch.randn(2, 50, 3)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(-1)
    found = divergence_from_normal(mean, log_variance)
    assert torch.allclose(found, expected, atol=1e-5)
    assert (found >= 0).all()
    assert divergence_from_normal(torch.zeros(1, 3), torch.zeros(1, 3)) == 0


def test_the_misfit_is_half_the_squared_error_over_the_noise() -> None:
    observed, expected = torch.randn(2, 4, 6, dtype=torch.complex64)
    precision = torch.rand(6)
    assert torch.allclose(
        misfit(observed, expected, precision), 0.5 * ((observed - expected).abs() ** 2 * precision).sum(-1)
    )
