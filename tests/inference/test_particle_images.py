"""Images whose poses are inferred, as the likelihood takes them."""

from dataclasses import replace

import torch

from frazil.geometry import fourier_transform, frequency_grid
from frazil.inference import FourierDisc, ParticleImages
from frazil.physics import evaluate_ctf
from tests.methods.cryogan.tiny import lenses

BOX, PIXEL_SIZE, COUNT = 16, 6.0, 5


def some_images() -> ParticleImages:
    images = torch.randn(COUNT, BOX, BOX)
    return ParticleImages(lambda rows: images[rows], lenses(COUNT), COUNT, BOX, PIXEL_SIZE)


def test_images_are_observed_at_the_discs_frequencies_through_their_own_lens() -> None:
    data, rows = some_images(), torch.tensor([3, 1])
    disc = FourierDisc.of(5, like=torch.zeros(BOX, BOX))
    observed = data.observe(rows, disc)
    assert torch.equal(observed.spectrum, fourier_transform(data.images(rows))[:, disc.inside])
    ctf = evaluate_ctf(lenses(COUNT)[rows], frequency_grid(BOX, PIXEL_SIZE))
    torch.testing.assert_close(observed.ctf, ctf[:, disc.inside])


def test_images_that_no_lens_has_blurred_are_seen_as_they_are() -> None:
    disc = FourierDisc.of(5, like=torch.zeros(BOX, BOX))
    observed = replace(some_images(), ctf=None).observe(torch.arange(2), disc)
    assert torch.equal(observed.ctf, torch.ones_like(observed.ctf))


def test_the_mean_power_of_white_images_is_that_of_white_noise() -> None:
    white = torch.randn(400, BOX, BOX)
    power = ParticleImages(lambda rows: white[rows], None, 400, BOX, PIXEL_SIZE).mean_power()
    assert power.shape == (BOX // 2 + 1,)
    torch.testing.assert_close(power, torch.full_like(power, float(BOX**2)), rtol=0.2, atol=0.0)
