"""CryoGAN's simulator: what belongs together is drawn together, and the scales do what they say."""

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from frazil.geometry import centred_coordinates
from frazil.methods.cryogan.simulator import Draw, LogScales, draw_conditions, simulate_images
from frazil.physics import NoiseModel, form_images, radial_power, signal_to_noise_db, to_fourier_volume
from tests.methods.cryogan import tiny

BOX, PIXEL_SIZE = 16, 6.0
UNIT = LogScales(torch.zeros(()), torch.zeros(1), torch.zeros(()))


@dataclass(frozen=True)
class Tagged(NoiseModel):
    """Noise that says whose it is: every pixel holds the particle's number."""

    def sample(self, particle: Tensor, box: int, generator: torch.Generator) -> Tensor:
        return particle.float()[:, None, None].expand(-1, box, box)

    def to(self, device: torch.device | str) -> "Tagged":
        return self


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(conditions: Any, count: int = 64, rows: slice = slice(None), seed: int = 3) -> Draw:
    return draw_conditions(conditions, count, BOX, rows, seeded(seed))


def blob() -> Tensor:
    distance = (centred_coordinates(BOX, 3) - torch.tensor([2.0, 1.0, -1.0])).norm(dim=-1)
    return torch.exp(-distance.square() / 4)


def test_the_noise_and_the_lens_of_an_image_come_from_the_same_particle() -> None:
    conditions = replace(tiny.conditions(), noise=Tagged())
    draw = drawn(conditions)
    particle = draw.noise[:, 0, 0].long()
    assert draw.ctf is not None
    assert torch.equal(draw.ctf.defocus_u, conditions.ctf.defocus_u[particle])
    assert torch.equal(draw.ctf.astigmatism_deg, conditions.ctf.astigmatism_deg[particle])
    assert set(particle.tolist()) == set(range(conditions.particles))


def test_the_shares_of_the_ranks_are_rows_of_one_joined_draw() -> None:
    conditions = tiny.conditions()
    whole = drawn(conditions, 8)
    for rows in (slice(0, 3), slice(3, 8)):
        share = drawn(conditions, 8, rows)
        assert torch.equal(share.noise, whole.noise[rows])
        assert torch.equal(share.pose.rotation, whole.pose.rotation[rows])
        assert torch.equal(share.pose.shift, whole.pose.shift[rows])
        assert share.ctf is not None
        assert torch.equal(share.ctf.defocus_v, whole.ctf.defocus_v[rows])


def test_the_generator_alone_decides_the_draw() -> None:
    conditions = tiny.conditions()
    one, same, other = drawn(conditions), drawn(conditions), drawn(conditions, seed=4)
    assert torch.equal(one.noise, same.noise)
    assert torch.equal(one.pose.rotation, same.pose.rotation)
    assert not torch.equal(one.noise, other.noise)
    assert not torch.equal(one.pose.rotation, other.pose.rotation)


def test_two_draws_from_one_generator_differ() -> None:
    conditions, generator = tiny.conditions(), seeded()
    one, other = (draw_conditions(conditions, 8, BOX, slice(None), generator) for _ in range(2))
    assert not torch.equal(one.noise, other.noise)
    assert not torch.equal(one.pose.shift, other.pose.shift)


def test_images_without_a_lens_are_drawn_without_one() -> None:
    draw = drawn(replace(tiny.conditions(), ctf=None), 4)
    assert draw.ctf is None
    silent = replace(draw, noise=torch.zeros(4, BOX, BOX))
    images = simulate_images(to_fourier_volume(blob()), silent, PIXEL_SIZE, UNIT)
    expected = form_images(blob(), draw.pose, None, PIXEL_SIZE)
    assert (images - expected).norm() < 0.03 * expected.norm()


def test_images_are_the_microscopes_up_to_what_wraps_around() -> None:
    """The simulator forms images in their own box: what the lens spreads beyond the edge comes in on the other side."""
    draw = drawn(tiny.conditions(), 8)
    assert draw.ctf is not None
    sharp = replace(draw, ctf=replace(draw.ctf, b_factor=torch.full((8,), 1500.0)), noise=torch.zeros(8, BOX, BOX))
    images = simulate_images(to_fourier_volume(blob()), sharp, PIXEL_SIZE, UNIT)
    expected = form_images(blob(), sharp.pose, sharp.ctf, PIXEL_SIZE)
    assert (images - expected).norm() < 0.1 * expected.norm()


@pytest.mark.parametrize(("signal", "noise"), [(0.0, 0.0), (1.2, 0.0), (0.0, -0.7), (-0.4, 0.9)])
def test_the_scales_are_exponents_of_signal_and_noise(signal: float, noise: float) -> None:
    spectrum, draw = to_fourier_volume(blob()), drawn(tiny.conditions())
    silent = replace(draw, noise=torch.zeros_like(draw.noise))
    clean = simulate_images(spectrum, silent, PIXEL_SIZE, UNIT)
    scales = replace(UNIT, signal=torch.tensor(signal), noise=torch.tensor([noise]))
    images = simulate_images(spectrum, draw, PIXEL_SIZE, scales)
    loud = scales.noise.exp() * draw.noise
    torch.testing.assert_close(images, scales.signal.exp() * clean + loud, rtol=1e-4, atol=1e-5)
    gain = 20 * (signal - noise) / math.log(10)
    decibels = signal_to_noise_db(scales.signal.exp() * clean, loud)
    assert decibels == pytest.approx(signal_to_noise_db(clean, draw.noise) + gain, abs=1e-3)


def test_a_scale_for_each_shell_colours_the_noise_and_leaves_the_signal() -> None:
    shells = torch.linspace(-1, 1, BOX // 2 + 1)
    count = 400
    draw = replace(drawn(tiny.conditions(), count), noise=torch.randn(count, BOX, BOX))
    flat, coloured = (
        simulate_images(to_fourier_volume(blob()), draw, PIXEL_SIZE, replace(UNIT, noise=noise))
        for noise in (torch.zeros(1), shells)
    )
    added = coloured - flat + draw.noise
    torch.testing.assert_close(radial_power(added)[1:], (2 * shells[1:]).exp(), rtol=0.15, atol=0)


def test_a_scale_of_the_shifts_says_how_much_of_them_is_there() -> None:
    draw = drawn(tiny.conditions(), 8)
    half = replace(draw, pose=replace(draw.pose, shift=draw.pose.shift / 2))
    scales = replace(UNIT, shift=torch.tensor(0.5).log())
    torch.testing.assert_close(
        simulate_images(to_fourier_volume(blob()), draw, PIXEL_SIZE, scales),
        simulate_images(to_fourier_volume(blob()), half, PIXEL_SIZE, UNIT),
    )


def test_an_image_has_the_neighbours_of_the_particle_whose_noise_it_takes() -> None:
    plain = tiny.conditions()
    places = torch.arange(plain.particles).float()[:, None, None].expand(-1, 3, 2)
    draw = drawn(replace(plain, noise=Tagged(), neighbours=places), 8, slice(4, 8))
    assert draw.neighbours is not None
    assert torch.equal(draw.neighbours[:, 0, 0], draw.noise[:, 0, 0])
    assert drawn(plain).neighbours is None


def test_neighbours_reach_into_the_image_from_beyond_it() -> None:
    draw = replace(drawn(tiny.conditions(), 4), noise=torch.zeros(4, BOX, BOX), ctf=None)
    places = torch.tensor([0.55 * BOX * PIXEL_SIZE, 0.0]).expand(4, 1, 2)
    alone, crowded = (
        simulate_images(to_fourier_volume(blob()), replace(draw, neighbours=near), PIXEL_SIZE, UNIT)
        for near in (None, places)
    )
    edge = (crowded - alone).abs().amax((0, 1))
    assert edge[-1] > 0.1 * alone.max()
    assert edge[: BOX // 4].max() < 0.1 * edge[-1]  # and do not come in again on the other side


def test_the_volume_and_the_scales_get_gradients() -> None:
    volume = blob().requires_grad_()
    scales = LogScales(*(torch.zeros(shape, requires_grad=True) for shape in ((), (BOX // 2 + 1,), ())))
    images = simulate_images(to_fourier_volume(volume), drawn(tiny.conditions(), 4), PIXEL_SIZE, scales)
    (images * torch.randn_like(images)).sum().backward()
    for gradient in (volume.grad, scales.signal.grad, scales.noise.grad):
        assert gradient is not None
        assert bool(torch.isfinite(gradient).all())
        assert bool((gradient != 0).any())
