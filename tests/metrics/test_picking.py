"""Picks against known particles: as many pairs as can be, and the area that Topaz reports."""

import numpy as np
import pytest

from frazil.metrics.picking import match_picks, precision_recall

TRUTH = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def test_every_particle_has_one_pick_and_the_pairs_are_as_many_as_can_be() -> None:
    # The first pick is nearest to both; only where it takes the second particle, the other pick has one too.
    picks = np.array([[5.5, 0.0], [0.5, 0.0], [0.0, 0.4]])
    rows, columns = match_picks(picks, TRUTH[:2], 6.0)
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) in ([(0, 1), (1, 0)], [(0, 1), (2, 0)])
    assert sorted(columns.tolist()) == [0, 1]
    assert 2 in rows  # the nearest of the two that could have had it
    assert len(match_picks(picks, TRUTH[2:], 2.0)[0]) == 0
    assert len(match_picks(np.empty((0, 2)), TRUTH, 2.0)[0]) == 0


def test_a_pick_between_two_particles_is_no_reason_to_match_a_farther_one() -> None:
    """Topaz's rule: the sum of distance^2 - radius^2 decides, not how many pairs there are."""
    picks, truth = np.array([[9.0, 0.0], [18.5, 0.0]]), np.array([[0.0, 0.0], [9.0, 0.0]])
    rows, columns = match_picks(picks, truth, 10.0)
    assert (rows.tolist(), columns.tolist()) == ([0], [1])


def test_the_area_is_the_sum_of_precision_times_gain_in_recall() -> None:
    picks = np.array([[0.1, 0.0], [50.0, 50.0], [10.1, 0.0], [0.0, 10.1]])
    curve = precision_recall({"a": (picks, np.array([0.9, 0.8, 0.7, 0.6]))}, {"a": TRUTH}, 2.0)
    assert curve.precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4])
    assert curve.recall.tolist() == [0.25, 0.25, 0.5, 0.75]
    assert curve.area == pytest.approx(0.25 * (1 + 2 / 3 + 3 / 4))
    assert curve.f1 == pytest.approx(0.75)
    assert curve.score[curve.best] == 0.6
    assert curve.offset[-1] == pytest.approx(0.1)


def test_picks_of_one_score_stand_or_fall_together() -> None:
    picks = np.array([[50.0, 50.0], [0.0, 0.0]])
    for order in ([0, 1], [1, 0]):
        curve = precision_recall({"a": (picks[order], np.ones(2))}, {"a": TRUTH}, 2.0)
        assert curve.precision.tolist() == [0.5]
        assert curve.recall.tolist() == [0.25]


def test_scores_are_pooled_over_micrographs_and_those_without_picks_are_missed() -> None:
    picks = {"a": (TRUTH, np.array([0.9, 0.5, 0.5, 0.5])), "unknown": (TRUTH, np.ones(4))}
    curve = precision_recall(picks, {"a": TRUTH, "b": TRUTH}, 2.0)
    assert curve.recall.tolist() == [1 / 8, 4 / 8]
    assert curve.area == pytest.approx(0.5)
    nothing = precision_recall({}, {"a": TRUTH}, 2.0)
    assert (nothing.area, nothing.f1) == (0.0, 0.0)


def test_the_area_of_perfect_picks_is_one() -> None:
    curve = precision_recall({"a": (TRUTH + 0.5, np.linspace(1, 0.5, 4))}, {"a": TRUTH}, 2.0)
    assert (curve.area, curve.f1) == (1.0, 1.0)
