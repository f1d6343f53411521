"""Spectra of volumes by direction."""

import torch

from frazil.geometry import fourier_transform, inverse_fourier_transform
from frazil.metrics.volume_spectra import sector_distances, sector_power
from frazil.physics.missing_wedge import missing_wedge
from frazil.physics.tilt_scheme import TiltScheme


def test_the_sector_of_the_missing_wedge_is_told_from_the_others() -> None:
    noise = torch.randn(20, 24, 24, 24, generator=torch.Generator().manual_seed(1))
    seen = ~missing_wedge(TiltScheme().series(None).rotation, 24)
    wedged = inverse_fourier_transform(fourier_transform(noise, 3) * seen, 24, 3)
    whole, cut = sector_power(noise), sector_power(wedged)
    assert torch.allclose(whole, torch.ones_like(whole), atol=0.2)
    assert float(cut[2, 6:].max()) < 0.5
    distances = sector_distances(whole, cut)
    assert distances[2] > 5 * distances[:2].max()
    assert float(sector_distances(whole, whole).max()) == 0
