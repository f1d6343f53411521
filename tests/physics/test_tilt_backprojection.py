"""What images of tilts make: as even as they are, along the axis and across it."""

import pytest
import torch

from frazil.physics.subtomograms import Molecules, TiltSeriesImaging
from frazil.physics.tilt_scheme import TiltScheme

BOX, COUNT = 24, 60


@pytest.mark.parametrize("axis", [0.0, pytest.param(85.0, marks=pytest.mark.slow)])
def test_noise_is_no_stronger_at_the_faces(axis: float) -> None:
    nothing = Molecules(
        torch.zeros(COUNT, 3),
        torch.eye(3).expand(COUNT, 3, 3),
        torch.zeros(COUNT, 3),
        torch.zeros(COUNT, dtype=torch.long),
    )
    imaging = TiltSeriesImaging([torch.zeros(BOX, BOX, BOX)], 12.0, TiltScheme(tilt_axis=axis))
    square = imaging.noise(nothing, None, torch.Generator().manual_seed(1)).square().mean(0)
    along = square.mean((0, 2)) / square.mean()  # by the place along y
    assert along.max() < 1.15
    assert along[[0, -1]].mean() == pytest.approx(1.0 if axis == 0 else 0.87, abs=0.07)
