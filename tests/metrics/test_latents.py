"""Latents against the truth."""

import pytest
import torch

from frazil.metrics import information_imbalance, neighbourhood_similarity


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


def test_more_neighbours_than_particles_are_refused() -> None:
    with pytest.raises(ValueError, match="5 neighbours of 5 particles"):
        neighbourhood_similarity(torch.rand(5, 1), torch.rand(5, 1), 5)
