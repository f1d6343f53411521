"""Steps that take the mean volume where least squares has it, and components to what makes images differ."""

from dataclasses import dataclass
from functools import cache

import torch

from frazil.data import pseudo_protein
from frazil.geometry import random_rotations
from frazil.inference import FourierDisc
from frazil.methods.cryodrgn.centred import CentredImages
from frazil.methods.cryodrgn.linear_model import LinearModel
from frazil.physics import BackProjection

BOX, COUNT, BATCH, NOISE = 16, 600, 20, 0.3
PASSES = 3 * COUNT // BATCH
DISC = FourierDisc.of(BOX, like=torch.empty(BOX))


def model() -> LinearModel:
    torch.manual_seed(0)
    return LinearModel(BOX, 5.0, 1, 1.0, COUNT)


@dataclass(frozen=True)
class Truth:
    """A model, and images of it at some latents."""

    model: LinearModel
    latent: torch.Tensor
    images: CentredImages


@cache
def truth() -> Truth:
    """Two blobs of which one is more or less there, by a latent, and images of it as its model would have them."""
    own, generator = model(), torch.Generator().manual_seed(1)
    side = len(own.support)
    with torch.no_grad():
        own.volumes[0] = own.support * pseudo_protein(side, 12.0)
        own.volumes[0] *= 3 / own.volumes[0].norm()
        own.volumes[1] = own.support * own.volumes[0].roll(2, 0) * (torch.arange(side) > side // 2)
    latent = torch.randn(COUNT, 1, generator=generator)
    ctf = torch.rand(COUNT, len(DISC.shell), generator=generator) + 0.2
    rotation = random_rotations(COUNT, generator)
    empty = CentredImages(torch.zeros_like(ctf) + 0j, ctf, rotation, torch.empty(COUNT, 0))
    with torch.no_grad():
        spectrum = own.expect(latent, empty, DISC.frequency)
    scale = float(spectrum.abs().square().mean().sqrt())
    noise = torch.view_as_complex(torch.randn(COUNT, len(DISC.shell), 2, generator=generator)) / 2**0.5
    return Truth(own, latent, CentredImages(spectrum + NOISE * scale * noise, ctf, rotation, empty.pixels))


@cache
def precision() -> torch.Tensor:
    images = truth().images
    signal = images.spectrum.abs().square().mean() / (1 + NOISE**2)
    return DISC.weight / (NOISE**2 * signal)


@cache
def learnt(steps: int, certain: torch.Tensor) -> LinearModel:
    """After steps of one batch each."""
    own, images = model(), truth().images
    optimizer = own.optimizer()
    generator = torch.Generator().manual_seed(2)
    order = torch.randperm(COUNT, generator=generator).split(BATCH)
    for step in range(steps):
        batch = images[order[step % len(order)]]
        latents, expected = own(batch, DISC.frequency, certain, torch.randn(BATCH, 1, generator=generator))
        loss = 0.5 * ((batch.spectrum - expected).abs().square() @ certain).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0].update(lr=0.0, moments=own.moments(batch, latents, DISC.frequency, certain))
        optimizer.step()
    return own


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def test_curvature_is_the_losses_second_derivative() -> None:
    """Of the whole loss by a mean volume that is one and the same number times a given one."""
    own, latent, images = model(), truth().latent, truth().images
    certain, size = precision(), torch.zeros((), requires_grad=True)
    shown = truth().model.expect(torch.zeros_like(latent), images, DISC.frequency).detach()
    loss = 0.5 * ((images.spectrum - size * shown).abs().square() @ certain).mean()
    (slope,) = torch.autograd.grad(loss, size, create_graph=True)
    (second,) = torch.autograd.grad(slope, size)
    latents = own.encode(images, DISC.frequency, certain)
    _, curvature = own.moments(images, latents, DISC.frequency, certain)
    power = torch.zeros(BOX // 2 + 1).index_add_(
        0, DISC.shell, ((shown / images.ctf).abs().square() * DISC.weight).mean(0)
    )
    assert torch.allclose((curvature * DISC.shell_means(power)).sum(), second, rtol=0.15)


def test_the_mean_is_the_one_that_least_squares_finds() -> None:
    images = truth().images
    sums = BackProjection.empty(BOX, torch.empty(0))
    certain = precision()
    sums.add(images.spectrum * images.ctf * certain, images.ctf.square() * certain, images.rotation, DISC.frequency)
    nothing = torch.zeros(1)
    wanted, found = truth().model.volume(nothing), learnt(PASSES, certain).volume(nothing)
    whole = BOX * sums.volume(1e-3 * sums.shell_means()) * (wanted != 0)
    assert error(found, wanted) < 1.1 * error(whole, wanted)


def test_components_find_what_makes_images_differ() -> None:
    """By latents of mean 0 and variance 1."""
    latent, images = truth().latent, truth().images
    found = learnt(PASSES, precision()).encode(images, DISC.frequency, precision()).mean
    assert abs(float(torch.corrcoef(torch.stack([found[:, 0], latent[:, 0]]))[0, 1])) > 0.99
    assert abs(float(found.mean())) < 0.1
    assert abs(float(found.std()) - 1) < 0.1


def test_nothing_moves_before_the_noise_is_known() -> None:
    own = learnt(2, torch.zeros(len(DISC.shell)))
    assert own.volumes.abs().max() < 1e-9


def test_nothing_is_beyond_the_support() -> None:
    own = learnt(3, precision())
    assert own.volumes[:, ~own.support].abs().max() == 0
    assert own.volumes[0].abs().max() > 0
