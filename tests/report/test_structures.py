"""Pictures of volumes side by side."""

import numpy as np

from frazil.report.structures import volumes_figure


def test_each_volume_is_shown_and_how_it_differs_from_the_mean() -> None:
    one = np.random.default_rng(0).random((8, 8, 8), np.float32)
    other = one.copy()
    other[4, 2, 2] += 5
    content = volumes_figure("Volumes", {"1": one, "2": other}, 3.0).body
    assert content.count("<img") == 4
    assert "2 less the mean" in content


def test_a_volume_alone_differs_from_nothing_and_volumes_that_are_the_same_not_at_all() -> None:
    one = np.random.default_rng(0).random((8, 8, 8), np.float32)
    alone = volumes_figure("Volumes", {"1": one}, 3.0)
    assert alone.body.count("<img") == 1
    assert "less the mean" not in alone.reading.look
    assert volumes_figure("Volumes", {"1": one, "2": one}, 3.0).body.count("<img") == 4
