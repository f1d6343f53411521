"""A mean and components: what they show, and the latents that images have by them."""

from dataclasses import replace

import torch

from frazil.data import pseudo_protein
from frazil.geometry import fourier_transform, random_rotations
from frazil.inference import FourierDisc
from frazil.methods.cryodrgn.centred import CentredImages
from frazil.methods.cryodrgn.linear_model import LinearModel
from frazil.physics import project

BOX, COUNT, RADIUS = 24, 3, 7.0
DISC = FourierDisc.of(BOX, like=torch.empty(BOX))
LATENT = torch.randn(COUNT, 2, generator=torch.Generator().manual_seed(2))


def model(latent_dim: int = 2, beta: float = 1.0) -> LinearModel:
    """In a box of 18 px, smaller than the images."""
    own = LinearModel(BOX, RADIUS, latent_dim, beta, images=100)
    side = len(own.support)
    assert side == 18
    with torch.no_grad():
        own.volumes[0] = own.support * pseudo_protein(side, 10.0)
        for number, component in enumerate(own.volumes[1:], 1):
            component.copy_(own.support * 0.1 * pseudo_protein(side, 10.0).roll(number, number - 1))
    return own


def images() -> CentredImages:
    """Of nothing."""
    rotation = random_rotations(COUNT, torch.Generator().manual_seed(1))
    ctf = torch.rand(COUNT, len(DISC.shell), generator=torch.Generator().manual_seed(3)) - 0.5
    return CentredImages(torch.zeros_like(ctf) + 0j, ctf, rotation, torch.empty(COUNT, 0))


def test_what_is_expected_is_the_volumes_projection_through_the_lens() -> None:
    own, seen = model(), images()
    with torch.no_grad():
        found = own.expect(LATENT, seen, DISC.frequency) * BOX
    for latent, rotation, ctf, one in zip(LATENT, seen.rotation, seen.ctf, found, strict=True):
        projection = project(own.volume(latent), rotation[None])[0]
        expected = fourier_transform(projection)[DISC.inside] * ctf
        assert (one - expected).norm() / expected.norm() < 0.03


def test_nothing_is_beyond_the_particle() -> None:
    volume = model().volume(LATENT[0])
    assert volume.shape == (BOX, BOX, BOX)
    assert volume[0].abs().max() == 0
    assert volume[BOX // 2, BOX // 2].abs().max() > 0


def test_latents_are_where_the_posterior_is_stationary() -> None:
    """Of images that are far from certain, with a prior that counts."""
    own, precision = model(beta=0.5), 1e-3 * DISC.weight
    generator = torch.Generator().manual_seed(4)
    noise = torch.view_as_complex(torch.randn(COUNT, len(DISC.shell), 2, generator=generator))
    with torch.no_grad():
        seen = replace(images(), spectrum=own.expect(LATENT, images(), DISC.frequency) + 0.1 * noise)
    latents, expected = own(seen, DISC.frequency, precision)
    latent = latents.mean.detach().requires_grad_()
    left = seen.spectrum - own.expect(latent, seen, DISC.frequency)
    loss = 0.5 * (left.abs().square() @ precision).sum() + 0.5 * 0.5 * latent.square().sum()
    (gradient,) = torch.autograd.grad(loss, latent, create_graph=True)
    assert gradient.abs().max() < 1e-3 * latent.abs().max()
    assert torch.allclose(expected, own.expect(latents.mean, seen, DISC.frequency))
    curvature = torch.autograd.grad(gradient[0, 0], latent)[0][0, 0]
    assert torch.allclose(latents.log_variance[0, 0].exp(), 0.5 / curvature, rtol=1e-3)


def test_where_images_say_nothing_latents_are_those_of_the_prior() -> None:
    latents = model().encode(images(), DISC.frequency, torch.zeros(len(DISC.shell)))
    assert latents.mean.abs().max() == 0
    assert latents.log_variance.abs().max() < 1e-6


def test_without_latents_there_is_the_mean_alone() -> None:
    own = model(latent_dim=0)
    latents, expected = own(images(), DISC.frequency, DISC.weight)
    assert latents.mean.shape == (COUNT, 0)
    assert expected.shape == (COUNT, len(DISC.shell))
    assert own.volume(torch.empty(0)).abs().max() > 0
