"""Refinement finds what images were made of; the halves meet in their FSC alone."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from frazil.geometry import fourier_transform, rotation_angle, shell_average, symmetrise, symmetry_rotations
from frazil.methods.refine import Refine
from frazil.metrics import fourier_shell_correlation
from tests.methods.refine import tiny
from tests.methods.steps import at


def updated(method: Refine, steps: int) -> Refine:
    for step in range(steps):
        method.update(None, at(step))
    return method


@pytest.fixture(scope="module")
def refined() -> Refine:
    return updated(tiny.refine(count=150), 3)


def agreement(volume: Tensor, truth: Tensor) -> Tensor:
    return fourier_shell_correlation(volume, truth, tiny.PIXEL_SIZE).correlation[1:7]


def test_maps_become_like_the_volume_that_the_images_are_of(refined: Refine) -> None:
    truth = tiny.specimen()
    assert float(agreement(refined.halves[0].map, truth).mean()) > 0.9


def test_maps_hold_nothing_that_images_were_not_compared_for() -> None:
    """Else the halves would agree on what both of them have from the same mask."""
    method = tiny.refine()
    last = method.last_shell
    assert last < tiny.BOX // 2 - 1
    updated(method, 1)
    maps = [half.map for half in method.halves]
    correlation = fourier_shell_correlation(maps[0], maps[1], tiny.PIXEL_SIZE).correlation
    power = shell_average(fourier_transform(maps[0], 3).abs().square(), tiny.BOX, 3)
    assert float(power[last + 1 :].max()) < 1e-10 * float(power[1])
    assert method.resolution > tiny.BOX * tiny.PIXEL_SIZE / (last + 1)
    assert float(correlation[1]) > 0.9


def test_poses_are_those_the_images_were_made_with(refined: Refine) -> None:
    for number, half in enumerate(refined.halves):
        true = tiny.poses(number, 150)
        assert float(rotation_angle(half.pose.rotation, true.rotation).median()) < 8
        assert float((half.pose.shift - true.shift).norm(dim=1).median()) < 0.5 * tiny.PIXEL_SIZE


@pytest.mark.slow
def test_it_has_converged_when_two_iterations_have_gained_nothing_or_one_at_nyquist() -> None:
    method = tiny.refine(count=30)
    steps = 0
    while not method.converged():
        before = method.best_score, method.furthest
        method.update(None, at(steps))
        steps += 1
        gained = method.best_score > 1.005 * before[0] or method.furthest > before[1]
        gained = gained or steps == 1  # whose score is in the start's own units
        assert (method.stalled == 0) == gained
    assert 3 <= steps <= 12
    assert method.stalled == (1 if method.furthest == tiny.BOX // 2 - 1 else 2)


def test_the_start_s_contrast_does_not_matter() -> None:
    methods = [tiny.refine(count=60) for _ in range(2)]
    for half in methods[1].halves:
        half.volume = 1000 * half.volume
    found = [updated(method, 2).halves[0] for method in methods]
    torch.testing.assert_close(found[1].noise, found[0].noise, rtol=1e-2, atol=0)
    torch.testing.assert_close(found[1].volume, found[0].volume, rtol=0, atol=1e-2 * float(found[0].volume.std()))


def test_the_halves_start_from_nothing_finer_than_they_may_share() -> None:
    method = tiny.refine()
    power = shell_average(fourier_transform(method.halves[0].volume, 3).abs().square(), tiny.BOX, 3)
    assert float(power[5:].max()) < 1e-10 * float(power[1])  # 40 angstrom are shell 4
    assert float(power[4]) > 1e-4 * float(power[1])


def test_the_noise_is_measured(refined: Refine) -> None:
    """White, of standard deviation 1: its power is the number of pixels."""
    noise = refined.halves[0].noise[2:7] / tiny.BOX**2
    torch.testing.assert_close(noise, torch.ones_like(noise), rtol=0, atol=0.15)


def test_a_half_map_knows_nothing_of_the_other_halfs_images() -> None:
    calm, other = tiny.refine(), tiny.refine()
    second = other.halves[1]
    second.data = replace(second.data, images=lambda rows: torch.randn(len(rows), tiny.BOX, tiny.BOX))
    updated(calm, 1)
    updated(other, 1)
    for name in ("map", "noise", "score"):
        assert torch.equal(getattr(calm.halves[0], name), getattr(other.halves[0], name))
    assert not torch.equal(calm.halves[1].map, other.halves[1].map)


def test_what_the_halves_do_not_agree_on_is_not_believed() -> None:
    method = tiny.refine()
    for number, half in enumerate(method.halves):
        generator = torch.Generator().manual_seed(number)
        noise = torch.randn(half.data.count, tiny.BOX, tiny.BOX, generator=generator)
        half.data = replace(half.data, images=lambda rows, noise=noise: noise[rows])
    updated(method, 1)
    for half in method.halves:
        assert float(half.volume.square().sum()) < 0.7 * float(half.map.square().sum())


def test_a_symmetric_particle_gets_a_symmetric_map() -> None:
    method = updated(tiny.refine("D2", count=60), 1)
    volume = method.halves[0].map
    turned = symmetrise(volume, symmetry_rotations("D2"))
    assert float(agreement(volume, turned)[:4].min()) > 0.99
