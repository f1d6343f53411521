from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from frazil.geometry import soft_sphere
from frazil.metrics import half_map_mask

Halves = Callable[[float], list[Tensor]]
BOX = 40


@pytest.fixture
def halves(blobs: Callable[..., Tensor], specimen: Callable[[int], tuple[Tensor, Tensor]]) -> Halves:
    """Two half maps of the specimen with independent noise, as many times the density's spread as asked."""

    def build(noise: float) -> list[Tensor]:
        volume = blobs(*specimen(BOX), BOX, 2.0)
        generator = torch.Generator().manual_seed(2)
        return [volume + noise * volume.std() * torch.randn(volume.shape, generator=generator) for _ in range(2)]

    return build


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_the_mask_holds_the_particle_and_leaves_the_rest(halves: Halves, noise: float) -> None:
    mask = half_map_mask(*halves(noise), pixel_size=4.0)
    clean = halves(0.0)[0]
    inside = clean > 0.2 * clean.max()
    assert float((mask[inside] > 0.9).float().mean()) > 0.97
    assert float(mask.mean()) < 0.45
    assert float(mask[soft_sphere(BOX, 18.0, 1.0) == 0].mean()) < 0.02


def test_the_mask_goes_from_zero_to_one_without_a_step(halves: Halves) -> None:
    mask = half_map_mask(*halves(1.0), pixel_size=4.0)
    assert float(mask.min()) == 0.0
    assert float(mask.max()) == 1.0
    assert max(float(mask.diff(dim=axis).abs().max()) for axis in range(3)) < 0.6


def test_specks_of_noise_are_left_out(halves: Halves) -> None:
    first, second = halves(0.0)
    for half in (first, second):
        half[5:8, 5:8, 5:8] = half.max()
    mask = half_map_mask(first, second, pixel_size=4.0)
    assert float(mask[5:8, 5:8, 5:8].max()) == 0.0


def test_density_in_one_half_only_is_noise(halves: Halves) -> None:
    first, second = halves(0.5)
    only_here = soft_sphere(BOX, 3.0, 2.0).roll(13, 0) * first.max() * 0.3
    mask = half_map_mask(first + only_here, second, pixel_size=4.0)
    assert float(mask[BOX // 2 + 13, BOX // 2, BOX // 2]) < 0.5


def test_empty_half_maps_are_refused() -> None:
    empty = torch.zeros(16, 16, 16)
    with pytest.raises(ValueError, match="no mask can be made from the half maps: their mean is 0 everywhere"):
        half_map_mask(empty, empty, pixel_size=4.0)


def test_half_maps_that_share_nothing_are_refused() -> None:
    generator = torch.Generator().manual_seed(1)
    first = torch.randn(24, 24, 24, generator=generator)
    with pytest.raises(ValueError, match=r"no mask can be made .* three times the noise"):
        half_map_mask(first, -0.9 * first, pixel_size=4.0)
