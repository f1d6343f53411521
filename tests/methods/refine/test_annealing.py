"""From a start that is right in its outline alone, all images together come to the shape; then the halves part."""

import pytest
import torch
from torch import Tensor

from frazil.geometry import centred_coordinates, symmetrise, symmetry_rotations
from frazil.methods.refine import Refine, RefineConfig
from frazil.metrics import align, apply_alignment, fourier_shell_correlation
from frazil.physics import low_pass
from tests.methods.refine import tiny
from tests.methods.steps import at

COUNT = 100


def outline(truth: Tensor, symmetry: str) -> Tensor:
    """The truth's mean over all directions, and a little symmetric chance."""
    radius = centred_coordinates(tiny.BOX, 3).norm(dim=-1).round().long().flatten()
    mean = torch.zeros(30).to(truth).index_add_(0, radius, truth.flatten()) / torch.bincount(radius, minlength=30)
    chance = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0)).to(truth)
    chance = symmetrise(low_pass(chance, tiny.PIXEL_SIZE, 40.0), symmetry_rotations(symmetry))
    return mean[radius].view_as(truth) + 0.05 * truth.std() * chance


def refinement(symmetry: str, anneal: int, iterations: int = 4) -> Refine:
    config = RefineConfig(symmetry, iterations, start_resolution=50.0, anneal=anneal, keep=(4, 2))
    halves = [tiny.half_images(half, COUNT, symmetry) for half in range(2)]
    start = outline(tiny.specimen(symmetry), symmetry)
    return Refine(config, halves, [start, start], tiny.SUPPORT)


def agreement(method: Refine, symmetry: str) -> float:
    """Mean FSC with the truth, of either hand."""
    truth, found = tiny.specimen(symmetry), method.halves[0].map
    found = apply_alignment(found, align(found, truth, tiny.PIXEL_SIZE, symmetry), tiny.PIXEL_SIZE)
    return float(fourier_shell_correlation(found, truth, tiny.PIXEL_SIZE).correlation[1:7].mean())


@pytest.mark.slow
def test_the_shape_is_found_where_the_best_poses_alone_do_not_find_it() -> None:
    symmetry = "O"
    with_it, without = refinement(symmetry, anneal=26), refinement(symmetry, anneal=0)
    for method in (with_it, without):
        step = 0
        while not method.converged():
            method.update(None, at(step))
            step += 1
    assert agreement(with_it, symmetry) > 0.95
    assert agreement(without, symmetry) < 0.85


def test_the_halves_share_one_map_until_it_is_annealed_and_then_what_is_coarse_of_it() -> None:
    method = refinement("D2", anneal=3)
    shell = method.last_shell
    for step in range(2):
        scalars = method.update(None, at(step))
        assert method.annealing
        assert list(scalars) == ["evidence"]
        assert method.figures(at(step)) == {}
        assert method.stage(step).startswith("annealing, to ")
    volume = method.halves[0].volume
    assert torch.equal(volume, method.halves[1].volume)
    method.update(None, at(2))
    assert not method.annealing
    assert float(method.halves[0].volume.square().sum()) < float(volume.square().sum())
    assert method.last_shell <= shell
    method.update(None, at(3))
    assert not torch.equal(method.halves[0].volume, method.halves[1].volume)
    assert method.refined == 1
    assert "half_map_resolution" in method.figures(at(3))


def test_a_few_of_very_many_images_anneal_the_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frazil.methods.refine.method._ANNEALED", COUNT // 3 + 1)
    method = refinement("D2", anneal=2)
    seen: list[int] = []
    for half in method.halves:
        images = half.data.images
        object.__setattr__(half.data, "images", lambda rows, images=images: seen.extend(rows.tolist()) or images(rows))
    method.halves[0]._noise()
    seen.clear()
    method.halves[0]._power = method.halves[1]._power = torch.ones(tiny.BOX // 2 + 1)
    method.update(None, at(0))
    assert sorted(seen) == sorted(2 * list(range(0, COUNT, 3)))
