"""The matched filter: noise scores with variance 1, a particle as high as it is strong, where it is."""

import pytest
import torch

from frazil.geometry import filter_field, rectangle_frequency
from frazil.inference.matched_filter import MatchedFilter, average_view, power_curve
from frazil.physics import make_ctf, to_fourier_volume

SIZE, PIXEL_SIZE = (151, 120), 3.0


def blot(box: int, spread: float) -> torch.Tensor:
    """A round template."""
    axis = torch.arange(box) - box // 2
    return torch.exp(-(axis[:, None] ** 2 + axis**2) / (2 * spread**2))


@pytest.mark.parametrize("coloured", [False, True])
def test_noise_scores_with_variance_one_and_a_particle_with_its_strength(coloured: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    amplitude = 1 + 3 * coloured * torch.exp(-((20 * rectangle_frequency(SIZE).norm(dim=-1)) ** 2))
    noise = [filter_field(torch.randn(SIZE[1], SIZE[0], generator=generator), 2 * amplitude) for _ in range(30)]
    curve = torch.stack([power_curve(field, PIXEL_SIZE) for field in noise]).mean(0)
    matched = MatchedFilter.of(blot(25, 3.0), curve, SIZE, PIXEL_SIZE)
    scores = torch.stack([matched.score(field) for field in noise])
    assert scores.std() == pytest.approx(1, abs=0.06)
    field = torch.zeros(SIZE[1], SIZE[0])
    field[40 - 12 : 40 + 13, 100 - 12 : 100 + 13] = 5 * blot(25, 3.0)
    score = matched.score(field)
    assert divmod(int(score.argmax()), SIZE[0]) == (40, 100)
    assert score.max() == pytest.approx(5 * matched.strength, rel=1e-3)
    if not coloured:
        # In white noise: the template's length over the noise's deviation.
        assert matched.strength == pytest.approx(float(blot(25, 3.0).norm()) / 2, rel=0.03)


def test_the_power_of_white_noise_is_flat_and_its_own_variance(generator: torch.Generator) -> None:
    curve = power_curve(7 + 3 * torch.randn(200, 300, generator=generator), PIXEL_SIZE)
    assert curve[:, 0].diff().min() > 0
    assert curve[-1, 0] == pytest.approx(1 / (2 * PIXEL_SIZE), rel=0.02)
    assert curve[20:, 1].mean() == pytest.approx(9, rel=0.02)


def test_the_average_view_is_round_and_holds_all_of_the_particle() -> None:
    volume = torch.zeros(24, 24, 24)
    volume[8:16, 11:13, 11:13] = 1
    view = average_view([to_fourier_volume(volume)], None, PIXEL_SIZE)
    assert view.shape == (96, 96)
    assert view.sum() == pytest.approx(float(volume.sum()), rel=0.01)
    middle = view[36:61, 36:61]
    assert (middle - middle.rot90()).norm() < 0.2 * middle.norm()
    seen = average_view([to_fourier_volume(volume)], make_ctf(torch.tensor([15_000.0])), PIXEL_SIZE)
    assert seen[48, 48] < view[48, 48]
