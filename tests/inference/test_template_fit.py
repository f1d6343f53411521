"""A micrograph's defocus and its particles' size, found by how strongly particles stand out."""

import pytest
import torch

from frazil.data import pseudo_protein
from frazil.geometry import fourier_crop, random_rotations
from frazil.inference.template_fit import defocus_templates, likely_defocus, likely_size
from frazil.physics import CTFRanges, FourierVolume, PlacedParticles, make_ctf, particle_field, to_fourier_volume
from frazil.physics.placement import poisson_disc

SIZE, PIXEL_SIZE, DIAMETER = (400, 360), 4.0, 120.0


def micrograph(defocus: float, pixel_size: float, generator: torch.Generator, kind: str = "shell") -> torch.Tensor:
    """Particles at 4 angstrom a pixel, dark, in white noise; as large as they are if `pixel_size` is 2.5."""
    place = poisson_disc(SIZE, DIAMETER / PIXEL_SIZE, 60, generator)
    turned = random_rotations(len(place), generator)
    particles = PlacedParticles(place, torch.zeros(len(place)), turned, torch.zeros(len(place)).long())
    lens = make_ctf(torch.tensor([defocus]))
    clean = particle_field([structure(pixel_size, kind)], particles, lens, PIXEL_SIZE, SIZE).image
    return torch.randn(SIZE[1], SIZE[0], generator=generator) - 0.4 * clean / clean.std()


def structure(pixel_size: float, kind: str = "shell") -> FourierVolume:
    """A hollow ball 120 angstrom wide, or the pseudo-protein, at 1.6 times the pixel size."""
    if kind == "pseudo-protein":
        return to_fourier_volume(fourier_crop(pseudo_protein(64, pixel_size), 40, 3))
    axis = 1.6 * pixel_size * (torch.arange(40) - 20)
    radius = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    return to_fourier_volume(((60 - radius) / 4).clamp(0, 1) * ((radius - 40) / 4).clamp(0, 1))


@pytest.mark.parametrize("defocus", [12_000.0, 20_000.0, 28_000.0])
def test_the_defocus_is_found_to_a_few_thousand_angstrom(defocus: float, generator: torch.Generator) -> None:
    field = micrograph(defocus, 2.5, generator)
    templates = defocus_templates([structure(2.5)], CTFRanges(), PIXEL_SIZE)
    found = likely_defocus(field, templates, PIXEL_SIZE, DIAMETER)
    assert found == pytest.approx(defocus, abs=4000)


@pytest.mark.parametrize("larger", [0.95, 1.0, 1.06])
def test_particles_that_are_larger_than_the_map_are_found_to_be(larger: float, generator: torch.Generator) -> None:
    field = micrograph(15_000.0, 2.5 / larger, generator)
    found = likely_size(field, [structure(2.5)], make_ctf(torch.tensor([15_000.0])), PIXEL_SIZE, DIAMETER)
    assert found == pytest.approx(larger, abs=0.015)


def test_particles_of_no_one_look_tell_neither(generator: torch.Generator) -> None:
    field, kind = micrograph(15_000.0, 2.5, generator, "pseudo-protein"), "pseudo-protein"
    templates = defocus_templates([structure(2.5, kind)], CTFRanges(), PIXEL_SIZE)
    assert likely_defocus(field, templates, PIXEL_SIZE, DIAMETER) is None
    assert likely_size(field, [structure(2.5, kind)], make_ctf(torch.tensor([15_000.0])), PIXEL_SIZE, DIAMETER) is None
