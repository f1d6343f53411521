"""Fields of particles: sums of single images, each where its label says, at its own defocus."""

from dataclasses import replace

import pytest
import torch

from frazil.geometry import Pose, random_rotations
from frazil.physics import PlacedParticles, delocalisation, form_images, make_ctf, particle_field, to_fourier_volume
from tests.physics.conftest import Blobs

PIXEL_SIZE, BOX, SIZE = 4.0, 24, (90, 70)


def placed(places: list[tuple[float, float]], generator: torch.Generator) -> PlacedParticles:
    """Particles of one structure at places in pixels, at any pose, at different depths."""
    count = len(places)
    depth = torch.linspace(-2000, 3000, count)
    return PlacedParticles(
        torch.tensor(places), depth, random_rotations(count, generator), torch.zeros(count, dtype=torch.long)
    )


@pytest.fixture
def volume(blobs: Blobs) -> torch.Tensor:
    return blobs.volume(BOX).float()


def test_a_particle_on_a_field_is_its_image_at_its_own_defocus(volume: torch.Tensor, generator) -> None:
    particles = placed([(40.3, 33.8)], generator)
    lens = make_ctf(torch.tensor([12_000.0]), torch.tensor([11_000.0]))
    spectrum = to_fourier_volume(volume, 4)
    field = particle_field([spectrum], particles, lens, PIXEL_SIZE, SIZE)
    shift = torch.tensor([[0.3, -0.2]]) * PIXEL_SIZE
    deep = make_ctf(torch.tensor([10_000.0]), torch.tensor([9_000.0]))
    alone = form_images(spectrum, Pose(particles.rotation, shift), deep, PIXEL_SIZE, margin=4)[0]
    start_x, start_y = 40 - BOX // 2, 34 - BOX // 2
    seen = field.image[start_y : start_y + BOX, start_x : start_x + BOX]
    assert (seen - alone).abs().max() < 0.01 * alone.abs().max()


def test_a_field_is_the_sum_of_its_particles_and_what_reaches_over_the_edge_is_cut(volume, generator) -> None:
    places = [(40.3, 33.8), (0.2, 10.0), (89.9, 69.6), (47.0, 30.0)]
    particles = placed(places, generator)
    particles = replace(particles, depth=torch.zeros(4))  # at one depth, so that nothing is interpolated
    lens = make_ctf(torch.tensor([12_000.0]))
    structures = [to_fourier_volume(volume)]
    every = particle_field(structures, particles, lens, PIXEL_SIZE, SIZE)
    alone = [
        particle_field(structures, particles[torch.tensor([n])], lens, PIXEL_SIZE, SIZE) for n in range(len(places))
    ]
    for name in ("image", "projection"):
        total = sum(getattr(one, name) for one in alone)
        assert torch.allclose(getattr(every, name), total, atol=1e-4 * float(total.abs().max()))
    assert torch.equal(every.mask, torch.stack([one.mask for one in alone]).any(0))
    # Moved by whole pixels onto a larger field, the particle at the edge shows the same where both fields are.
    moved = replace(particles, place=particles.place + 50)[torch.tensor([1])]
    larger = particle_field(structures, moved, lens, PIXEL_SIZE, (190, 170))
    assert torch.allclose(alone[1].image, larger.image[50:120, 50:140], atol=1e-4 * float(larger.image.max()))


def test_particles_at_many_depths_are_each_seen_at_their_own(volume: torch.Tensor, generator) -> None:
    places = [(12.0 + 11 * number, 20.0 + 5 * number) for number in range(7)]
    particles = placed(places, generator)
    lens, structures = make_ctf(torch.tensor([12_000.0])), [to_fourier_volume(volume)]
    every = particle_field(structures, particles, lens, PIXEL_SIZE, SIZE).image
    each = [particle_field(structures, particles[torch.tensor([n])], lens, PIXEL_SIZE, SIZE).image for n in range(7)]
    assert (every - sum(each)).square().mean().sqrt() < 2e-3 * every.square().mean().sqrt()


def test_each_particle_shows_its_own_structure(volume: torch.Tensor, generator: torch.Generator) -> None:
    particles = placed([(20.0, 20.0), (60.0, 40.0)], generator)
    particles = replace(particles, structure=torch.tensor([1, 0]))
    structures = [to_fourier_volume(volume), to_fourier_volume(3 * volume)]
    field = particle_field(structures, particles, None, PIXEL_SIZE, SIZE)
    left, right = field.projection[:, :40].sum(), field.projection[:, 40:].sum()
    assert left / right == pytest.approx(3, rel=0.02)
    assert torch.equal(field.image, field.projection)


def test_an_empty_field_is_empty(volume: torch.Tensor, generator: torch.Generator) -> None:
    nobody = placed([(1.0, 1.0)], generator)[torch.tensor([], dtype=torch.long)]
    field = particle_field([to_fourier_volume(volume)], nobody, make_ctf(torch.tensor([1e4])), PIXEL_SIZE, SIZE)
    assert not field.image.any()
    assert not field.mask.any()


def test_the_lens_moves_detail_as_far_as_its_phase_is_steep() -> None:
    # 15,000 angstrom at 300 kV, 4 angstrom per pixel, without Cs: 0.01969 x 15,000 / 8 = 36.9 angstrom, 9.2 pixels.
    assert delocalisation(make_ctf(torch.tensor([15_000.0]), cs_mm=0.0), 4.0) == 10
    # Near focus Cs alone does it: 2.7e7 x 0.01969^3 / 2^3 = 25.8 angstrom at Nyquist of 1 angstrom per pixel.
    assert delocalisation(make_ctf(torch.tensor([0.0])), 1.0) == 26
