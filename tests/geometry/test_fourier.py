"""Fourier transforms about `size // 2`, their shells, and what is done in Fourier space: resampling and shifting."""

import pytest
import torch

from frazil.geometry import (
    centred_coordinates,
    fourier_crop,
    fourier_transform,
    frequency_grid,
    hermitian_weight,
    inverse_fourier_transform,
    shell_average,
    shell_index,
    shell_sum,
    shift_phase,
)

BOXES = [8, 9, 16, 17]
NDIMS = [2, 3]


def gaussian(box: int, centre: list[float], sigma: float) -> torch.Tensor:
    """A round Gaussian at `centre` (x, y(, z), in pixels from the box centre)."""
    ndim = len(centre)
    distance = centred_coordinates(box, ndim, dtype=torch.float64) - torch.tensor(centre, dtype=torch.float64)
    return torch.exp(-distance.square().sum(-1) / (2 * sigma**2))


def full_shells(box: int, ndim: int) -> torch.Tensor:
    """Shell of every frequency of the full spectrum, counted from scratch."""
    axis = torch.fft.fftfreq(box, 1 / box, dtype=torch.float64)
    square = sum(grid**2 for grid in torch.meshgrid(*([axis] * ndim), indexing="ij"))
    return square.sqrt().round().long()


@pytest.mark.parametrize("ndim", NDIMS)
@pytest.mark.parametrize("box", BOXES)
def test_a_point_at_size_over_2_has_a_spectrum_of_ones(box: int, ndim: int) -> None:
    point = torch.zeros((box,) * ndim, dtype=torch.float64)
    point[(box // 2,) * ndim] = 1
    torch.testing.assert_close(
        fourier_transform(point, ndim), torch.ones_like(point[..., : box // 2 + 1]).to(torch.complex128)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ndim", NDIMS)
@pytest.mark.parametrize("box", BOXES)
def test_the_inverse_transform_gives_the_image_back(box: int, ndim: int, dtype: torch.dtype) -> None:
    image = torch.randn(2, *(box,) * ndim, dtype=dtype)
    back = inverse_fourier_transform(fourier_transform(image, ndim), box, ndim)
    assert back.dtype == dtype
    torch.testing.assert_close(back, image)


def test_frequencies_are_in_inverse_angstrom_and_ordered_x_y_z() -> None:
    grid = frequency_grid(10, pixel_size=2.0, ndim=3)
    assert grid.shape == (10, 10, 6, 3)
    torch.testing.assert_close(grid[0, 0, 3], torch.tensor([3 / 20, 0.0, 0.0]))
    torch.testing.assert_close(grid[0, 3, 0], torch.tensor([0.0, 3 / 20, 0.0]))
    torch.testing.assert_close(grid[-3, 0, 0], torch.tensor([0.0, 0.0, -3 / 20]))
    torch.testing.assert_close(grid[..., 0].max(), torch.tensor(1 / 4))  # Nyquist at 2 angstrom a pixel


@pytest.mark.parametrize("box", BOXES)
def test_a_wave_along_x_has_its_peak_on_the_last_axis(box: int) -> None:
    x = centred_coordinates(box, 2, dtype=torch.float64)[..., 0]
    power = fourier_transform(torch.cos(2 * torch.pi * 3 * x / box)).abs()
    assert torch.nonzero(power > 1e-9 * power.max()).tolist() == [[0, 3]]


@pytest.mark.parametrize("box", BOXES)
def test_hermitian_weights_count_every_column_of_the_full_spectrum(box: int) -> None:
    assert hermitian_weight(box).sum() == box


@pytest.mark.parametrize("ndim", NDIMS)
@pytest.mark.parametrize("box", BOXES)
def test_shell_sums_and_means_are_those_of_the_full_spectrum(box: int, ndim: int) -> None:
    image = torch.randn(2, *(box,) * ndim, dtype=torch.float64)
    power = fourier_transform(image, ndim).abs().square()
    full = torch.fft.fftn(image, dim=tuple(range(-ndim, 0))).abs().square()
    shells = full_shells(box, ndim)
    for shell in range(box // 2 + 1):
        expected = full[:, shells == shell]
        torch.testing.assert_close(shell_sum(power, box, ndim)[:, shell], expected.sum(-1))
        torch.testing.assert_close(shell_average(power, box, ndim)[:, shell], expected.mean(-1))
    assert torch.equal(shell_index(box, ndim), shells[..., : box // 2 + 1])


@pytest.mark.parametrize("ndim", NDIMS)
@pytest.mark.parametrize("new", [24, 25, 40, 41])
@pytest.mark.parametrize("old", [32, 33])
def test_resampling_a_smooth_blob_gives_the_blob_on_the_new_grid(old: int, new: int, ndim: int) -> None:
    centre, sigma = [1.25, -2.5, 0.75][:ndim], 2.5
    ratio = new / old
    resampled = fourier_crop(gaussian(old, centre, sigma), new, ndim)
    expected = gaussian(new, [ratio * c for c in centre], ratio * sigma)
    torch.testing.assert_close(resampled, expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("ndim", NDIMS)
@pytest.mark.parametrize(("old", "new"), [(16, 10), (16, 11), (17, 10), (17, 11), (10, 16), (11, 17), (11, 16)])
def test_resampling_preserves_the_mean(old: int, new: int, ndim: int) -> None:
    image = torch.randn(3, *(old,) * ndim, dtype=torch.float64)
    axes = tuple(range(1, ndim + 1))
    torch.testing.assert_close(fourier_crop(image, new, ndim).mean(axes), image.mean(axes))


@pytest.mark.parametrize("ndim", NDIMS)
@pytest.mark.parametrize("small", [10, 11])
@pytest.mark.parametrize("large", [16, 17])
def test_enlarging_then_cropping_gives_the_image_back_below_nyquist(large: int, small: int, ndim: int) -> None:
    image = torch.randn((small,) * ndim, dtype=torch.float64)
    inside = frequency_grid(small, ndim=ndim).abs().amax(-1) < 0.5 - 1e-6
    image = inverse_fourier_transform(fourier_transform(image, ndim) * inside, small, ndim)
    torch.testing.assert_close(fourier_crop(fourier_crop(image, large, ndim), small, ndim), image)


def test_resampling_to_the_same_box_changes_nothing() -> None:
    image = torch.randn(2, 8, 8)
    assert torch.equal(fourier_crop(image, 8), image)


def shifted(image: torch.Tensor, shift: torch.Tensor, ndim: int = 2) -> torch.Tensor:
    box = image.shape[-1]
    return inverse_fourier_transform(fourier_transform(image, ndim) * shift_phase(shift, box, ndim), box, ndim)


@pytest.mark.parametrize("box", BOXES)
def test_a_shift_by_whole_pixels_rolls_x_along_the_last_axis(box: int) -> None:
    image = torch.randn(box, box, dtype=torch.float64)
    moved = shifted(image, torch.tensor([2.0, -3.0], dtype=torch.float64))
    torch.testing.assert_close(moved, image.roll((-3, 2), (0, 1)))
    volume = torch.randn(box, box, box, dtype=torch.float64)
    moved = shifted(volume, torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64), 3)
    torch.testing.assert_close(moved, volume.roll((-3, 2, 1), (0, 1, 2)))


@pytest.mark.parametrize("box", [32, 33])
def test_a_shift_by_a_fraction_of_a_pixel_moves_a_blob_by_that_fraction(box: int) -> None:
    shift = torch.tensor([[0.3, -1.7], [2.5, 0.5]], dtype=torch.float64)
    moved = shifted(gaussian(box, [0.0, 0.0], 2.0), shift)
    expected = torch.stack([gaussian(box, row.tolist(), 2.0) for row in shift])
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=0)


def test_a_shift_and_its_opposite_cancel() -> None:
    image, shift = torch.randn(4, 9, 9, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)
    torch.testing.assert_close(shifted(shifted(image, shift), -shift), image)


def test_shift_phases_do_not_depend_on_mixed_precision() -> None:
    shift = 20 * torch.randn(3, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = shift_phase(shift, 32)
    assert torch.equal(mixed, shift_phase(shift, 32))
