"""Contrast of places: what a place is told from, and what that costs."""

import math

import pytest
import torch

from frazil.losses.contrastive import all_others, of_the_other_kind, place_contrast

PARTICLE = torch.tensor([[True, True, False, False]])


def test_a_place_is_held_against_the_other_kind_or_against_all_others() -> None:
    assert of_the_other_kind(PARTICLE)[0, 0].tolist() == [False, False, True, True]
    assert of_the_other_kind(PARTICLE)[0, 3].tolist() == [True, True, False, False]
    assert all_others(PARTICLE)[0, 1].tolist() == [True, False, True, True]


def test_the_loss_is_the_cross_entropy_of_similarities(generator: torch.Generator) -> None:
    query, key = torch.randn(2, 1, 4, 5, generator=generator)
    against = of_the_other_kind(PARTICLE)
    loss = place_contrast(query, key, against, temperature=0.5)
    unit = [torch.nn.functional.normalize(values[0], dim=1) for values in (query, key)]
    expected = []
    for place in range(4):
        scores = unit[0][place] @ unit[1].T / 0.5
        rivals = [float(scores[other]) for other in range(4) if against[0, place, other]]
        expected.append(
            math.log(sum(math.exp(value) for value in [*rivals, float(scores[place])])) - float(scores[place])
        )
    assert float(loss) == pytest.approx(sum(expected) / 4, rel=1e-5)


def test_keys_get_no_gradient_and_places_without_rivals_cost_nothing(generator: torch.Generator) -> None:
    query, key = (torch.randn(1, 4, 5, generator=generator, requires_grad=True) for _ in range(2))
    loss = place_contrast(query, key, torch.zeros(1, 4, 4, dtype=torch.bool))
    loss.sum().backward()
    assert float(loss.detach()) == 0
    assert key.grad is None
