"""The two halves of the evidence lower bound, against torch's own distributions."""

import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from frazil.losses import ReconstructionError, divergence_from_normal


def test_the_divergence_is_that_of_normal_distributions_and_never_negative() -> None:
    mean, log_variance = torch.randn(2, 50, 3)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(-1)
    found = divergence_from_normal(mean, log_variance)
    assert torch.allclose(found, expected, atol=1e-5)
    assert (found >= 0).all()
    assert divergence_from_normal(torch.zeros(1, 3), torch.zeros(1, 3)) == 0


def test_the_error_is_half_the_squared_error_over_the_noise() -> None:
    observed, expected = torch.randn(2, 4, 6, dtype=torch.complex64)
    precision = torch.rand(6)
    found = ReconstructionError.of(observed, expected, precision, torch.tensor(0.0))
    assert torch.allclose(found.loss, 0.5 * ((observed - expected).abs() ** 2 * precision).sum(-1))
    assert (found.strength.mean == 1).all()


def test_how_strongly_images_show_their_particle_is_integrated_out() -> None:
    """By a normal distribution of all values, whose covariance is that of the noise and of what the strength adds."""
    observed, expected = torch.randn(2, 4, 6, dtype=torch.complex128)
    precision, spread = 0.5 + torch.rand(6, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)
    both = precision.repeat_interleave(2)
    own, seen = (torch.view_as_real(values).flatten(1) for values in (expected, observed))
    covariance = torch.diag(1 / both) + spread * own[:, :, None] * own[:, None]
    wanted = -MultivariateNormal(own, covariance).log_prob(seen) - 0.5 * (2 * torch.pi / both).log().sum()
    assert torch.allclose(ReconstructionError.of(observed, expected, precision, spread).loss, wanted)


def test_the_strength_of_an_image_lies_between_what_it_says_and_one() -> None:
    expected = torch.randn(1, 6, dtype=torch.complex64)
    weak, sure = (
        ReconstructionError.of(2 * expected, expected, precision * torch.ones(6), torch.tensor(0.1)).strength
        for precision in (1e-3, 1e4)
    )
    assert abs(weak.mean - 1) < 0.01
    assert abs(sure.mean - 2) < 0.01
    assert sure.variance < 1e-3
    assert abs(weak.variance - 0.1) < 0.01
