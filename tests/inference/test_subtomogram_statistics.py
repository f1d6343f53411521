"""What unlabelled subtomograms tell of how they were taken."""

import pytest
import torch

from frazil.geometry import centred_coordinates
from frazil.inference.subtomogram_statistics import power_beside, radial_profile, strengths


def test_signal_and_noise_are_told_apart_by_how_their_power_falls_from_the_middle() -> None:
    generator, box = torch.Generator().manual_seed(1), 24
    distance = centred_coordinates(box, 3).norm(dim=-1)
    signal = torch.randn(40, box, box, box, generator=generator) * torch.exp(-((distance / 5) ** 2))
    envelope = 1 + 0.02 * distance  # as a reconstruction's noise may have it
    noise, more = (envelope * torch.randn(40, box, box, box, generator=generator) for _ in range(2))
    found = strengths(*map(radial_profile, (2 * signal + 2 * noise, signal, more)))
    assert found == pytest.approx((4.0, 4.0), rel=0.1)
    alone = strengths(*map(radial_profile, (2 * noise, signal, more)))
    assert alone[0] < 0.4


def test_the_noise_s_power_is_measured_beside_the_molecule() -> None:
    generator, box = torch.Generator().manual_seed(1), 24
    noise = 3 * torch.randn(30, box, box, box, generator=generator)
    noise += 100 * (centred_coordinates(box, 3).norm(dim=-1) < 6)
    power = power_beside(noise, 7.0)
    assert torch.allclose(power[2:], torch.full_like(power[2:], 9.0), rtol=0.1)
    with pytest.raises(ValueError, match=r"molecules of 30.0 voxels fill a box of 24: nothing is left beside them"):
        power_beside(noise, 30.0)
