"""Real ice: its slow changes are found, and the noise and the particles on it are not taken for it."""

import pytest
import torch

from frazil.data.ice import ice_levels
from frazil.physics.contamination import lumps
from frazil.physics.solvent import measured_transmission


def test_the_levels_follow_the_ice_in_units_of_the_noise(generator: torch.Generator) -> None:
    x = torch.linspace(-1, 1, 300).expand(240, 300)
    wedge = 0.2 * x  # thinner to the right, by a fifth of the noise
    levels = ice_levels(50 + 7 * (wedge + torch.randn(240, 300, generator=generator)))
    assert levels.shape == (51, 64)
    assert levels.mean().abs() < 1e-5
    found = levels.mean(0)
    assert torch.corrcoef(torch.stack([found, torch.linspace(-1, 1, 64)]))[0, 1] > 0.97
    assert found[-1] - found[0] == pytest.approx(0.4, abs=0.12)
    through = measured_transmission((90, 70), levels, noise=0.1)
    assert through.shape == (70, 90)
    assert through[:, -1].mean() - through[:, 0].mean() == pytest.approx(0.04, abs=0.012)


def test_strong_ice_is_not_taken_for_noise(generator: torch.Generator) -> None:
    wedge = 3.0 * torch.linspace(-1, 1, 300).expand(240, 300)
    found = ice_levels(wedge + torch.randn(240, 300, generator=generator)).mean(0)
    assert found[-8] - found[8] == pytest.approx(6.0 * 0.75, rel=0.12)


def test_the_zero_of_a_micrographs_scale_does_not_matter(generator: torch.Generator) -> None:
    image = torch.randn(128, 128, generator=generator) + torch.linspace(0, 1, 128)
    assert torch.allclose(ice_levels(image), ice_levels(3 * image - 20), atol=0.02)


def test_a_lump_is_as_thick_as_the_balls_that_it_is_made_of(generator: torch.Generator) -> None:
    thickness = torch.stack([lumps((64, 48), 1.0, 6.0, generator) for _ in range(400)])
    assert thickness.shape[1:] == (48, 64)
    assert thickness.max() <= 12
    assert thickness.min() == 0
    # Poisson's distribution of mean 1 leaves 37 % of fields empty; a few more have their lump beyond the edge.
    assert 0.3 < float((thickness.flatten(1).amax(1) == 0).float().mean()) < 0.5
    assert not lumps((64, 48), 0.0, 6.0, generator).any()
