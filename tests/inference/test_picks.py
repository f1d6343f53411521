"""Peaks of scores: each particle once, at a part of a pixel."""

import torch

from frazil.inference.picks import peaks


def blots(places: list[tuple[float, float, float]]) -> torch.Tensor:
    """Scores with Gaussian blots (x, y, height) on 40 x 30 pixels."""
    y, x = torch.arange(30.0)[:, None], torch.arange(40.0)
    every = [height * torch.exp(-((x - a) ** 2 + (y - b) ** 2) / 8) for a, b, height in places]
    return torch.stack(every).amax(0)


def test_peaks_are_found_to_a_part_of_a_pixel_the_highest_first() -> None:
    found = peaks(blots([(10.3, 8.0, 0.5), (30.0, 20.6, 0.9)]), distance=5.0)
    assert torch.allclose(found.place, torch.tensor([[30.0, 20.6], [10.3, 8.0]]), atol=0.03)
    assert found.score[0] > found.score[1]


def test_of_two_that_are_too_close_the_higher_stays() -> None:
    scores = blots([(10.0, 10.0, 0.6), (16.0, 10.0, 0.9), (22.0, 10.0, 0.5)])
    near, far = peaks(scores, distance=7.0), peaks(scores, distance=3.0)
    assert near.place.round().tolist() == [[16, 10]]
    assert len(far) == 3


def test_a_peak_at_the_edge_stays_at_the_edge_and_a_flat_field_has_none() -> None:
    found = peaks(blots([(0.0, 29.0, 0.8)]), distance=5.0)
    assert torch.allclose(found.place, torch.tensor([[0.0, 29.0]]), atol=0.5)
    assert len(peaks(torch.zeros(8, 8), 3.0)) == 0
