"""Latents against the truth."""

import pytest
import torch

from frazil.geometry import random_rotations
from frazil.metrics import information_imbalance, neighbourhood_similarity, view_dependence


def test_a_latent_that_is_the_truth_keeps_all_neighbours_and_all_information() -> None:
    truth = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    turned = truth @ torch.tensor([[0.6, 0.8], [-0.8, 0.6]])
    assert neighbourhood_similarity(turned, truth, 10) == 1
    assert information_imbalance(turned, truth) == pytest.approx(2 / 300)


def test_a_latent_of_noise_keeps_what_chance_keeps() -> None:
    generator = torch.Generator().manual_seed(0)
    truth, latent = torch.randn(400, 1, generator=generator), torch.randn(400, 3, generator=generator)
    assert neighbourhood_similarity(latent, truth, 40) == pytest.approx(0.1, abs=0.02)
    assert information_imbalance(latent, truth) == pytest.approx(1, abs=0.1)


def test_a_latent_that_holds_more_than_the_truth_says_all_of_it_but_not_the_other_way_round() -> None:
    latent = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    truth = latent[:, :1]
    assert information_imbalance(latent, truth) < 0.2
    assert information_imbalance(truth, latent) > 2 * information_imbalance(latent, truth)


def test_in_a_data_set_of_few_structures_all_of_one_are_neighbours() -> None:
    truth = torch.arange(4).repeat(25)[:, None].float()
    noise = torch.randn(100, 1, generator=torch.Generator().manual_seed(0))
    assert neighbourhood_similarity(truth + 0.01 * noise, truth, 10) == 1
    assert information_imbalance(truth + 0.01 * noise, truth) == pytest.approx(0.25, abs=0.01)
    assert neighbourhood_similarity(noise, truth, 10) == pytest.approx(0.25, abs=0.06)


def test_a_latent_that_is_the_view_tells_it_and_one_of_noise_does_not() -> None:
    generator = torch.Generator().manual_seed(0)
    rotation = random_rotations(2000, generator)
    noise = torch.randn(2000, 3, generator=generator)
    assert view_dependence(rotation[:, 2], rotation) > 0.9
    assert view_dependence(noise, rotation) < 0.02
    assert 0.2 < view_dependence(rotation[:, 2] + 0.3 * noise, rotation) < 0.9


def test_a_latent_that_confuses_front_and_back_still_tells_the_view() -> None:
    rotation = random_rotations(2000, torch.Generator().manual_seed(0))
    assert view_dependence(rotation[:, 2, :2], rotation) > 0.5
    assert view_dependence(rotation[:, 2, 2:].abs(), rotation) > 0.1


def test_a_latent_of_noise_is_not_blamed_for_views_that_are_preferred() -> None:
    generator = torch.Generator().manual_seed(0)
    rotation = random_rotations(4000, generator)
    rotation = rotation[rotation[:, 2, 2] > 0.8]
    assert view_dependence(torch.randn(len(rotation), 3, generator=generator), rotation) < 0.05


def test_more_neighbours_than_particles_are_refused() -> None:
    with pytest.raises(ValueError, match="5 neighbours of 5 particles"):
        neighbourhood_similarity(torch.rand(5, 1), torch.rand(5, 1), 5)
