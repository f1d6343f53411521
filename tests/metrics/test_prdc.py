"""Precision, recall, density and coverage, against the package of their authors and against what they must be."""

import pytest
import torch
from prdc import compute_prdc

from frazil.metrics.distributions import inception_score
from frazil.metrics.prdc import manifolds


def normal(count: int, seed: int, mean: float = 0.0) -> torch.Tensor:
    return mean + torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_all_four_are_those_of_their_authors(mean: float, capsys: pytest.CaptureFixture[str]) -> None:
    real, made = normal(120, 1), normal(80, 2, mean)
    ours, theirs = manifolds(real, made), compute_prdc(real.numpy(), made.numpy(), nearest_k=5)
    for name, value in vars(ours).items():
        assert value == pytest.approx(float(theirs[name]), abs=1e-9)


def test_a_second_draw_has_density_1_and_all_but_a_thirty_second_covered() -> None:
    found = manifolds(normal(1500, 1), normal(1500, 2))
    assert found.density == pytest.approx(1.0, abs=0.05)
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.02)


def test_zeros_among_noise_of_many_dimensions_score_as_published_and_mean_nothing() -> None:
    noise = torch.randn(100, 3000, generator=torch.Generator().manual_seed(1))
    found = manifolds(noise, torch.zeros(100, 3000))
    assert (found.precision, found.recall, found.coverage) == (1.0, 0.0, 1.0)
    assert found.density == pytest.approx(100 / 5)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="5 and 80 samples are too few for 5 neighbours"):
        manifolds(normal(5, 1), normal(80, 2))


def test_the_inception_score_goes_from_1_to_the_number_of_classes() -> None:
    assert inception_score(torch.full((9, 3), 1 / 3)) == pytest.approx(1.0)
    assert inception_score(torch.eye(3).repeat(4, 1)) == pytest.approx(3.0, rel=1e-6)
    assert inception_score(torch.eye(3)[:1].repeat(4, 1)) == pytest.approx(1.0)
