"""A micrograph without labels: its particles are counted, their strength and the noise between them measured."""

import math

import pytest
import torch

from frazil.geometry import filter_field, on_rectangle, random_rotations, rectangle_frequency
from frazil.inference.field_statistics import closer_noise, mean_curve, measure_field
from frazil.inference.matched_filter import average_view
from frazil.physics import PlacedParticles, make_ctf, particle_field, to_fourier_volume
from frazil.physics.placement import poisson_disc

SIZE, PIXEL_SIZE, DIAMETER = (360, 300), 5.0, 90.0


def ball() -> torch.Tensor:
    """A particle 90 angstrom wide."""
    axis = (torch.arange(24) - 12) * PIXEL_SIZE
    radius = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    return ((DIAMETER / 2 - radius) / PIXEL_SIZE).clamp(0, 1)


@pytest.mark.parametrize("strength", [0.4, 0.8])
def test_particles_are_counted_and_their_strength_and_noise_measured(
    strength: float, generator: torch.Generator
) -> None:
    structures, lens = [to_fourier_volume(ball())], make_ctf(torch.tensor([20_000.0]))
    place = poisson_disc(SIZE, DIAMETER / PIXEL_SIZE, 90, generator)
    particles = PlacedParticles(
        place, torch.zeros(len(place)), random_rotations(len(place), generator), torch.zeros(len(place)).long()
    )
    clean = particle_field(structures, particles, lens, PIXEL_SIZE, SIZE).image
    amplitude = 1 + torch.exp(-((rectangle_frequency(SIZE, PIXEL_SIZE).norm(dim=-1) / 0.03) ** 2))
    noise = filter_field(torch.randn(SIZE[1], SIZE[0], generator=generator), amplitude)
    found = measure_field(noise - strength * clean, average_view(structures, lens, PIXEL_SIZE), PIXEL_SIZE, DIAMETER)
    assert found.count == pytest.approx(len(place), rel=0.1)
    assert found.strength == pytest.approx(strength, rel=0.15)
    assert found.noise_variance == pytest.approx(float(noise.var()), rel=0.1)
    ratio = on_rectangle(found.noise, SIZE, PIXEL_SIZE) / amplitude.square()
    frequency = rectangle_frequency(SIZE, PIXEL_SIZE).norm(dim=-1)
    for low, high in ((0.03, 0.05), (0.06, 0.09)):
        assert ratio[(frequency > low) & (frequency < high)].mean() == pytest.approx(1, abs=0.15)


def test_fields_of_noise_hold_no_particles(generator: torch.Generator) -> None:
    template = average_view([to_fourier_volume(ball())], None, PIXEL_SIZE)
    fields = torch.randn(6, SIZE[1], SIZE[0], generator=generator)
    measured = [measure_field(noise, template, PIXEL_SIZE, DIAMETER) for noise in fields]
    # 4.5 standard deviations are exceeded now and then.
    assert sum(found.count for found in measured) <= len(fields)
    for found in measured:
        assert found.noise_variance == pytest.approx(1, abs=0.1)


def test_noise_gets_the_power_that_is_missing_and_keeps_some_elsewhere(
    generator: torch.Generator,
) -> None:
    template = average_view([to_fourier_volume(ball())], None, PIXEL_SIZE)
    amplitude = 1 + 2.0 * (rectangle_frequency(SIZE).norm(dim=-1) < 0.05)
    white = torch.randn(3, SIZE[1], SIZE[0], generator=generator)
    coloured = [filter_field(field, amplitude) for field in white]
    real, own = (
        [measure_field(field, template, PIXEL_SIZE, DIAMETER) for field in every] for every in (coloured, list(white))
    )
    flat = mean_curve([one.noise for one in own], own[0].power[:, 0])
    closer = closer_noise(flat, real, own, blur=1e4, stronger=1.0)
    coarse = closer[:, 0] < 0.045 / PIXEL_SIZE
    assert closer[coarse, 1].mean() == pytest.approx(9, rel=0.25)
    assert closer[~coarse][10:, 1].mean() == pytest.approx(1, rel=0.1)
    back = closer_noise(closer, own, real, blur=1e4, stronger=1.0)
    assert back[:, 1].min() > 0


def test_noise_leaves_room_for_particles_that_get_stronger(generator: torch.Generator) -> None:
    template = average_view([to_fourier_volume(ball())], None, PIXEL_SIZE)
    amplitude = 1 + 2.0 * (rectangle_frequency(SIZE).norm(dim=-1) < 0.05)
    fields = [filter_field(torch.randn(SIZE[1], SIZE[0], generator=generator), amplitude) for _ in range(3)]
    same = [measure_field(field, template, PIXEL_SIZE, DIAMETER) for field in fields]
    # What the noise lacks of the whole, 8 of 9 where the field is strong, is the particles'.
    frequency = same[0].power[:, 0]
    white = torch.stack([frequency, torch.ones_like(frequency)], 1)
    closer = closer_noise(white, same, same, blur=1e4, stronger=math.sqrt(0.75))
    coarse = frequency < 0.045 / PIXEL_SIZE
    assert closer[coarse, 1].mean() == pytest.approx(1 + 0.25 * 8, rel=0.2)
    assert closer[~coarse][10:, 1].mean() == pytest.approx(1, rel=0.1)
