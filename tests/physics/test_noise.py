"""Noise: its strength, its spectrum, and that it belongs to the particle's own micrograph."""

import pytest
import torch
from torch import Tensor

from frazil.geometry import centred_coordinates, hermitian_weight, shell_index, soft_sphere
from frazil.physics import ColouredNoise, colour_noise, radial_power, white_noise

BOXES = [24, 25]


def falling_power(box: int) -> Tensor:
    return 0.3 + 4 / (1 + torch.arange(box // 2 + 1, dtype=torch.float32) / 3) ** 2


def test_white_noise_is_standard_normal_and_follows_its_generator() -> None:
    noise = white_noise((400, 16, 16), torch.Generator().manual_seed(1))
    assert abs(float(noise.mean())) < 0.01
    assert float(noise.var()) == pytest.approx(1, abs=0.02)
    assert abs(float((noise[:, :, 1:] * noise[:, :, :-1]).mean())) < 0.01
    assert torch.equal(noise, white_noise((400, 16, 16), torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("box", BOXES)
def test_radial_power_is_the_periodogram_of_the_full_transform(box: int) -> None:
    images = torch.randn(3, box, box, dtype=torch.float64) + 5
    full = torch.fft.fftn(images - images.mean((1, 2), keepdim=True), dim=(1, 2)).abs().square().mean(0) / box**2
    axis = torch.fft.fftfreq(box, 1 / box, dtype=torch.float64)
    shells = torch.hypot(axis[:, None], axis[None]).round()
    expected = torch.stack([full[shells == shell].mean() for shell in range(box // 2 + 1)])
    torch.testing.assert_close(radial_power(images), expected)


@pytest.mark.parametrize("box", BOXES)
def test_the_radial_power_of_white_noise_is_one_beyond_the_mean(box: int, generator: torch.Generator) -> None:
    power = radial_power(white_noise((600, box, box), generator) + 3)
    assert power[0] < 1e-6  # the mean of each image is taken off
    assert (power[1:] - 1).abs().max() < 0.06


@pytest.mark.parametrize("box", BOXES)
def test_the_radial_power_of_white_noise_around_the_particle_is_one(box: int, generator: torch.Generator) -> None:
    images = white_noise((600, box, box), generator) + 3
    outside = 1 - soft_sphere(box, box / 4, 3.0, ndim=2)
    particle = 50 * (centred_coordinates(box, 2).norm(dim=-1) < box / 4 - 1)
    power = radial_power(images + particle, outside)
    # the weighted mean that is taken off lies in the lowest shells
    assert (power[3:] - 1).abs().max() < 0.1
    assert (power[:3] < 1.1).all()
    hard = radial_power(images, (outside > 0.5).float())
    assert (hard[3:] - 1).abs().max() < 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("box", BOXES)
def test_a_flat_spectrum_leaves_white_noise_as_it_is(box: int, dtype: torch.dtype) -> None:
    white = torch.randn(3, box, box, dtype=dtype)
    coloured = colour_noise(white, torch.ones(box // 2 + 1, dtype=dtype))
    assert coloured.dtype == dtype
    torch.testing.assert_close(coloured, white)


@pytest.mark.parametrize("box", BOXES)
def test_coloured_noise_has_the_spectrum_and_the_variance_asked_for(box: int, generator: torch.Generator) -> None:
    power = falling_power(box)
    noise = colour_noise(white_noise((800, box, box), generator), power)
    assert (radial_power(noise)[1:] / power[1:] - 1).abs().max() < 0.06
    everywhere = power[shell_index(box).clamp(max=box // 2)]
    variance = (everywhere * hermitian_weight(box)).sum() / box**2
    assert float(noise.var()) == pytest.approx(float(variance), rel=0.02)


@pytest.mark.parametrize("box", BOXES)
def test_the_spectrum_measured_outside_the_particle_can_be_put_back_into_noise(
    box: int, generator: torch.Generator
) -> None:
    power = falling_power(box)
    images = colour_noise(white_noise((800, box, box), generator), power)
    measured = radial_power(images, 1 - soft_sphere(box, box / 4, 3.0, ndim=2))
    again = radial_power(colour_noise(white_noise((800, box, box), generator), measured))
    assert (again[3:] / power[3:] - 1).abs().max() < 0.15


def test_a_negative_power_counts_as_none() -> None:
    noise = colour_noise(torch.randn(1, 8, 8), torch.tensor([1.0, -0.5, 1.0, 1.0, 1.0]))
    assert noise.isfinite().all()
    assert radial_power(noise)[1] < 1e-10


def test_each_image_takes_the_spectrum_of_its_own_micrograph(generator: torch.Generator) -> None:
    box = 16
    quiet, loud = falling_power(box), 9 * torch.ones(box // 2 + 1)
    model = ColouredNoise({box: torch.stack([quiet, loud])}, torch.tensor([1, 0, 1]))
    noise = model.sample(torch.tensor([0, 1, 2] * 300), box, generator).reshape(300, 3, box, box)
    for particle, power in enumerate((loud, quiet, loud)):
        assert (radial_power(noise[:, particle])[1:] / power[1:] - 1).abs().max() < 0.12


def test_noise_models_follow_their_generator() -> None:
    particle = torch.tensor([0, 1, 2, 3])
    coloured = ColouredNoise({8: falling_power(8)[None]}, torch.zeros(4, dtype=torch.int64))
    for model in (coloured, coloured.to("cpu")):
        first = model.sample(particle, 8, torch.Generator().manual_seed(4))
        assert torch.equal(first, model.sample(particle, 8, torch.Generator().manual_seed(4)))
