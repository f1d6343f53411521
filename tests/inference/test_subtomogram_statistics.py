"""What unlabelled subtomograms tell of how they were taken."""

import pytest
import torch

from frazil.geometry import centred_coordinates, fourier_transform, frequency_grid, inverse_fourier_transform
from frazil.inference.subtomogram_statistics import (
    Powers,
    power_beside,
    radial_profile,
    signal_misfit,
    strength_of,
    tilt_range,
    weighting,
)
from frazil.physics.missing_wedge import missing_wedge
from frazil.physics.tilt_scheme import TiltScheme

BOX = 32


def test_signal_and_noise_are_told_apart_by_how_their_power_falls_from_the_middle() -> None:
    generator, box = torch.Generator().manual_seed(1), 24
    distance = centred_coordinates(box, 3).norm(dim=-1)
    signal = torch.randn(160, box, box, box, generator=generator) * torch.exp(-((distance / 5) ** 2))
    envelope = 1 + 0.02 * distance  # as a reconstruction's noise may have it
    noise, more = (envelope * torch.randn(160, box, box, box, generator=generator) for _ in range(2))
    falling = (1 - 0.1 * (distance / box) ** 2) * noise  # as that of closer tilts may
    for real, strength, error in ((2 * signal + 2 * noise, 4.0, 0.4), (2 * noise, 0.0, 0.2), (falling, 0.0, 0.2)):
        found = strength_of(*map(radial_profile, (signal, more, real)))
        assert found == pytest.approx(strength, abs=error)


def seen_by(scheme: TiltScheme, count: int, seed: int, box: int = BOX) -> torch.Tensor:
    """Volumes of noise that the images of a series have seen."""
    seen = ~missing_wedge(scheme.series(None).rotation, box)
    noise = torch.randn(count, box, box, box, generator=torch.Generator().manual_seed(seed))
    return inverse_fourier_transform(fourier_transform(noise, 3) * seen, box, 3)


def in_range(first: float, last: float, count: int, seed: int) -> torch.Tensor:
    """Of tilts in a range, 2 degrees apart."""
    return seen_by(TiltScheme((first, last), tilt_step=2.0), count, seed)


def test_the_range_of_tilts_is_found_though_a_few_volumes_have_seen_more() -> None:
    every = in_range(-60.0, 50.0, 30, seed=1)
    alone = tilt_range(every)
    assert -68 < alone[0] < -60  # a slice is as thick as a voxel of the spectrum
    assert 50 < alone[1] < 58
    # Twice as strong, as directions that few images share are in a reconstruction with a filter.
    beyond = 2 * (in_range(-76.0, 50.0, 12, seed=2) - in_range(-68.0, 50.0, 12, seed=2))
    more = every + torch.cat([beyond, torch.zeros(18, BOX, BOX, BOX)])
    assert tilt_range(more) == pytest.approx(alone, abs=1.5)


@pytest.mark.parametrize(("box", "step"), [(40, 5.0), (64, 5.0), (96, 3.0)])
def test_gaps_between_images_far_apart_are_no_end_of_the_range(box: int, step: float) -> None:
    found = tilt_range(seen_by(TiltScheme((-60.0, 60.0), tilt_step=step), 4, 1, box))
    assert found == pytest.approx((-62.0, 62.0), abs=3.0)


def test_the_weighting_of_tilted_images_is_found() -> None:
    made, real = in_range(-60.0, 50.0, 30, seed=1), in_range(-60.0, 50.0, 30, seed=2)
    assert weighting(real, made, (-60.0, 50.0)) == pytest.approx(0.0, abs=0.05)
    x, _, z = frequency_grid(BOX, 1.0, 3).unbind(-1)
    cosine = torch.where(torch.hypot(x, z) > 0, x.abs() / torch.hypot(x, z).clamp(min=1e-9), 1.0)
    weighted = inverse_fourier_transform(fourier_transform(3 * real, 3) * cosine**0.7, BOX, 3)
    assert weighting(weighted, made, (-60.0, 50.0)) == pytest.approx(0.7, abs=0.1)


def test_the_noise_s_power_is_measured_beside_the_molecule() -> None:
    generator, box = torch.Generator().manual_seed(1), 24
    noise = 3 * torch.randn(30, box, box, box, generator=generator)
    noise += 100 * (centred_coordinates(box, 3).norm(dim=-1) < 6)
    power = power_beside(noise, 7.0)
    assert torch.allclose(power[2:], torch.full_like(power[2:], 9.0), rtol=0.1)
    with pytest.raises(ValueError, match=r"molecules of 30.0 voxels fill a box of 24: nothing is left beside them"):
        power_beside(noise, 30.0)


def test_a_signal_explains_what_the_middle_has_beyond_noise_whatever_its_strength() -> None:
    shells = torch.arange(17, dtype=torch.float64)
    noise = Powers(2 + 1 / (shells + 1), 2 + 0.5 / (shells + 1))
    signal, other = (Powers(decay, 0.1 * decay) for decay in (torch.exp(-shells / 3), torch.exp(-shells / 5)))
    beside = 7 * (noise.beside + 3 * signal.beside)
    for more in (1.0, 1.05):  # noise that the middle has more of
        real = Powers(7 * (more * noise.within + 3 * signal.within), beside)
        assert signal_misfit(signal, noise, real) < 5e-3
        assert signal_misfit(other, noise, real) > 0.02
