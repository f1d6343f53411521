"""The fall-off of a map is measured and undone."""

import pytest
import torch

from frazil.metrics import fourier_shell_correlation, guinier_b_factor, sharpen

BOX, PIXEL_SIZE = 48, 1.2


@pytest.fixture
def flat() -> torch.Tensor:
    return torch.randn(BOX, BOX, BOX, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("b_factor", [0.0, 80.0, 150.0])
def test_the_b_factor_of_a_fall_off_is_found(flat: torch.Tensor, b_factor: float) -> None:
    blurred = sharpen(flat, PIXEL_SIZE, -b_factor)
    assert guinier_b_factor(blurred, PIXEL_SIZE, 3.0) == pytest.approx(b_factor, abs=5)


def test_sharpening_undoes_the_fall_off_and_changes_no_phase(flat: torch.Tensor) -> None:
    blurred = sharpen(flat, PIXEL_SIZE, -60.0)
    torch.testing.assert_close(sharpen(blurred, PIXEL_SIZE, 60.0), flat, rtol=0, atol=0.02)
    assert float(fourier_shell_correlation(blurred, flat, PIXEL_SIZE).correlation[:20].min()) > 0.998


@pytest.mark.parametrize("finest", [9.5, 7.0])
def test_a_coarse_map_has_no_fall_off_to_go_by(flat: torch.Tensor, finest: float) -> None:
    """From 10 to 7 angstrom amplitudes of a protein fall whatever its B-factor: a line there says 800 to 2,000."""
    assert guinier_b_factor(flat, PIXEL_SIZE, finest) is None
