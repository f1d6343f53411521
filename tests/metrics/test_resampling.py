from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from frazil.geometry import (
    fourier_transform,
    inverse_fourier_transform,
    random_rotations,
    shell_index,
    soft_sphere,
)
from frazil.metrics import (
    fit_box,
    fourier_shell_correlation,
    mirror_volume,
    move_volume,
    resample_volume,
)

Blobs = Callable[..., Tensor]
BOXES = pytest.mark.parametrize("box", [32, 33])


@BOXES
def test_the_mirror_takes_index_i_to_twice_the_centre_less_i(box: int) -> None:
    volume = torch.randn(box, box, box)
    mirrored = mirror_volume(volume)
    for index in range(box):
        torch.testing.assert_close(mirrored[index], volume[(2 * (box // 2) - index) % box])
    torch.testing.assert_close(mirror_volume(mirrored), volume)


@BOXES
def test_a_blob_moves_to_where_the_rotation_and_shift_take_it(blobs: Blobs, box: int) -> None:
    rotation = random_rotations(1, torch.Generator().manual_seed(0))[0]
    points = torch.tensor([[5.0, 1.0, -3.0], [-2.0, 4.0, 1.0], [0.0, -5.0, 2.0]])
    weights, shift = torch.tensor([1.0, 0.6, 1.5]), torch.tensor([1.3, -2.6, 0.4])
    moved = move_volume(blobs(points, weights, box, 1.5), rotation, shift)
    expected = blobs(points @ rotation.T + shift, weights, box, 1.5)
    assert float((moved - expected).norm() / expected.norm()) < 1e-3


@BOXES
def test_a_shift_by_whole_voxels_is_exact(box: int) -> None:
    volume = torch.randn(box, box, box) * soft_sphere(box, 8.0, 2.0)
    moved = move_volume(volume, torch.eye(3), torch.tensor([2.0, -1.0, 3.0]))
    torch.testing.assert_close(moved, volume.roll((3, -1, 2), (0, 1, 2)), atol=1e-5, rtol=0)


@BOXES
def test_a_turn_there_and_back_keeps_nearly_everything_to_near_nyquist(box: int) -> None:
    band = shell_index(box, 3) < box // 2
    rough = torch.randn(box, box, box) * soft_sphere(box, 0.34 * box, 0.1 * box)
    volume = inverse_fourier_transform(fourier_transform(rough, 3) * band, box, 3)
    rotation = random_rotations(1, torch.Generator().manual_seed(1))[0]
    zero = torch.zeros(3)
    back = move_volume(move_volume(volume, rotation, zero), rotation.T, zero)
    to = int(0.8 * (box // 2)) + 1
    assert float(fourier_shell_correlation(back, volume, 1.0).correlation[:to].min()) > 0.99


@pytest.mark.parametrize(("old", "new"), [(8, 12), (8, 13), (9, 12), (13, 8), (12, 9)])
def test_another_box_keeps_the_centre(old: int, new: int) -> None:
    volume = torch.zeros(old, old, old)
    volume[old // 2, old // 2, old // 2 + 1] = 1
    fitted = fit_box(volume, new)
    assert fitted.shape == (new, new, new)
    assert float(fitted[new // 2, new // 2, new // 2 + 1]) == 1.0


@pytest.mark.parametrize(("box", "pixel_size", "new_pixel_size"), [(40, 2.0, 3.0), (33, 3.0, 2.0), (32, 3.54, 5.0)])
def test_another_pixel_size_leaves_the_density_where_it_was(
    blobs: Blobs, box: int, pixel_size: float, new_pixel_size: float
) -> None:
    points = torch.tensor([[12.0, -6.0, 3.0], [-9.0, 0.0, -15.0]])  # angstrom
    weights, width = torch.tensor([1.0, 0.7]), 7.0
    volume = blobs(points / pixel_size, weights, box, width / pixel_size)
    resampled = resample_volume(volume, pixel_size, new_pixel_size)
    expected = blobs(points / new_pixel_size, weights, len(resampled), width / new_pixel_size)
    assert len(resampled) * new_pixel_size == pytest.approx(box * pixel_size, rel=1.0)
    assert float((resampled - expected).norm() / expected.norm()) < 5e-3
