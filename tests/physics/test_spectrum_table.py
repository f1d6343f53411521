"""Slices of the table are those of the spectrum, but for its sampling."""

import pytest
import torch
from torch import Tensor

from frazil.data import pseudo_protein
from frazil.geometry import fourier_crop, frequency_grid, random_rotations
from frazil.physics import SpectrumTable, sample_slices, to_fourier_volume


def frequencies(box: int) -> Tensor:
    grid = frequency_grid(box)
    return grid[grid.norm(dim=-1) < 0.45]


@pytest.mark.parametrize("box", [24, 25])
def test_slices_are_those_of_interpolation_but_for_a_few_percent(box: int) -> None:
    volume = fourier_crop(pseudo_protein(48, 4.0), box, 3)
    rotation = random_rotations(40, torch.Generator().manual_seed(1)).view(8, 5, 3, 3)
    quick = SpectrumTable.of(volume).slices(rotation, frequencies(box))
    exact = sample_slices(to_fourier_volume(volume), rotation, frequencies(box))
    assert quick.shape == exact.shape
    assert float((quick - exact).norm() / exact.norm()) < 0.08
    # No more and no less on the whole: a contrast that was off would count against every pose.
    scale = (quick * exact.conj()).real.sum() / exact.abs().square().sum()
    assert float(scale) == pytest.approx(1, abs=0.01)


def test_a_single_point_at_the_centre_has_the_same_slice_everywhere() -> None:
    volume = torch.zeros(16, 16, 16)
    volume[8, 8, 8] = 2.0
    rotation = random_rotations(3, torch.Generator().manual_seed(1))
    slices = SpectrumTable.of(volume).slices(rotation, frequencies(16))
    torch.testing.assert_close(slices, torch.full_like(slices, 2.0))
