"""Particles as weak as the noise: their number and strength come out of those few that stand out of it."""

from dataclasses import replace

import pytest
import torch

from frazil.geometry import random_rotations
from frazil.inference.field_statistics import FieldStatistics, measure_field
from frazil.inference.matched_filter import average_view
from frazil.inference.particle_count import particle_count
from frazil.physics import PlacedParticles, make_ctf, particle_field, to_fourier_volume
from frazil.physics.placement import poisson_disc

SIZE, PIXEL_SIZE, DIAMETER = (360, 300), 5.0, 90.0
LENS = make_ctf(torch.tensor([20_000.0]))


def rod() -> torch.Tensor:
    """A particle 90 angstrom long and 60 wide."""
    axis = (torch.arange(24) - 12) * PIXEL_SIZE
    radius = ((axis[:, None, None] / 1.5) ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    return ((30 - radius) / PIXEL_SIZE).clamp(0, 1)


def measured(strength: float, count: int, generator: torch.Generator) -> FieldStatistics:
    """A micrograph of so many particles in white noise of variance 1."""
    structures = [to_fourier_volume(rod())]
    place = poisson_disc(SIZE, DIAMETER / PIXEL_SIZE, count, generator)
    assert len(place) == count
    turned = random_rotations(count, generator)
    particles = PlacedParticles(place, torch.zeros(count), turned, torch.zeros(count).long())
    clean = particle_field(structures, particles, LENS, PIXEL_SIZE, SIZE).image
    noise = torch.randn(SIZE[1], SIZE[0], generator=generator)
    return measure_field(noise - strength * clean, average_view(structures, LENS, PIXEL_SIZE), PIXEL_SIZE, DIAMETER)


@pytest.mark.slow
@pytest.mark.parametrize("score", [3.0, 4.0, 12.0])
def test_particles_that_are_not_seen_are_counted_too(score: float, generator: torch.Generator) -> None:
    strength = score / measured(0.0, 1, generator).unit
    found = [measured(strength, 80, generator) for _ in range(8)]
    held = particle_count(found)
    assert held.mean == pytest.approx(80, rel=0.25)
    assert held.strength == pytest.approx(strength, rel=0.15)
    assert held.deviation < 12
    if score < 5:
        assert sum(one.count for one in found) / 8 < 0.6 * 80


def test_spread_between_micrographs_is_that_of_what_they_hold(generator: torch.Generator) -> None:
    strength = 5.0 / measured(0.0, 1, generator).unit
    held = particle_count([measured(strength, count, generator) for count in (40, 60, 80, 100)])
    assert held.deviation == pytest.approx(25.8, rel=0.25)


def test_noise_holds_next_to_nothing(generator: torch.Generator) -> None:
    assert particle_count([measured(0.0, 1, generator) for _ in range(8)]).mean < 4
    blank = measured(0.0, 1, generator)
    assert particle_count([replace(blank, peaks=blank.peaks[:0])]).mean == 0
