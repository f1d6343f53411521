"""Distances of sets of images: none between draws of one distribution, known ones between Gaussians."""

import math

import pytest
import torch

from frazil.metrics.distributions import frechet_distance, kernel_distance, standardised
from frazil.metrics.memorised import largest_correlation
from frazil.metrics.spectra import log_power, spectrum_distance
from frazil.nets.feature_nets import RandomFeatures
from frazil.physics import colour_noise


def test_the_frechet_distance_of_gaussians_is_that_of_their_means_and_deviations(generator: torch.Generator) -> None:
    first = torch.randn(20_000, 3, generator=generator)
    second = 2 + 3 * torch.randn(20_000, 3, generator=generator)
    # In each of three directions (0 - 2)^2 + (1 - 3)^2.
    assert frechet_distance(first, second) == pytest.approx(3 * 8, rel=0.02)
    assert frechet_distance(first[:10_000], first[10_000:]) < 0.01
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)


def test_the_kernel_distance_has_no_bias_and_sees_a_shift(generator: torch.Generator) -> None:
    first, second = torch.randn(2, 400, 8, generator=generator)
    assert kernel_distance(first, second, generator) == pytest.approx(0, abs=0.05)
    assert kernel_distance(first, second + 1, generator) > 1


def test_features_are_measured_in_what_real_images_spread(generator: torch.Generator) -> None:
    real = torch.tensor([1.0, 50.0]) * torch.randn(500, 2, generator=generator) + 7
    own, other = standardised(real, real + torch.tensor([1.0, 50.0]))
    assert own.mean().abs() < 1e-4
    assert (other - own).std() < 0.05
    assert own.std() == pytest.approx(1, rel=0.01)


def test_spectra_are_apart_by_the_ratio_of_their_power(generator: torch.Generator) -> None:
    first, second = torch.randn(2, 300, 32, 32, generator=generator)
    assert log_power(first).shape == (300, 16)
    assert spectrum_distance(first, second) < 0.03
    assert spectrum_distance(first, 3 * second + 100) == pytest.approx(2 * math.log(3), abs=0.03)


def test_random_features_are_always_the_same_and_tell_textures_apart(generator: torch.Generator) -> None:
    white = torch.randn(200, 32, 32, generator=generator)
    red = colour_noise(torch.randn(100, 32, 32, generator=generator), 2 / (1 + torch.arange(17.0)))
    net, again = RandomFeatures(), RandomFeatures()
    features = net(white)
    assert torch.equal(features, again(white))
    real, same = standardised(features[:100], features[100:])
    _, other = standardised(features[:100], net(red))
    assert kernel_distance(real, other, generator) > 20 * abs(kernel_distance(real, same, generator))
    assert frechet_distance(real, other) > 5 * frechet_distance(real, same)


def test_noise_that_was_drawn_twice_is_found_at_any_shift(generator: torch.Generator) -> None:
    noise = list(torch.randn(3, 60, 80, generator=generator))
    independent = largest_correlation(noise)
    assert independent < 1.5 * math.sqrt(2 * math.log(4800) / 4800)
    assert largest_correlation([*noise, noise[0].roll((7, 30), (0, 1)) + 5]) == pytest.approx(1, abs=1e-4)
    mixed = [*noise, 0.3 * noise[0] + noise[1].flip(0)]
    assert largest_correlation(mixed) == pytest.approx(0.3 / math.hypot(0.3, 1), abs=0.03)
    assert largest_correlation(noise[:1]) == 0
