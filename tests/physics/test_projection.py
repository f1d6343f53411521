"""Projection against closed forms, against turning and summing, and against another library."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import roma
import torch
from torch import Tensor

from frazil.geometry import euler_to_rotation, fourier_crop, fourier_transform, frequency_grid, random_rotations
from frazil.physics import central_slices, crop_centre, project, project_in_real_space, to_fourier_volume

if TYPE_CHECKING:
    from tests.physics.conftest import Blobs

BOXES = [32, 33, 64, 65]


def relative_error(images: Tensor, truth: Tensor) -> Tensor:
    """Of each image."""
    return (images - truth).flatten(1).norm(dim=1) / truth.flatten(1).norm(dim=1)


@pytest.fixture
def rotation(generator: torch.Generator) -> Tensor:
    return random_rotations(24, generator, torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("box", BOXES)
def test_blobs_at_random_poses_are_projected_to_within_a_hundredth(
    box: int, dtype: torch.dtype, blobs: "Blobs", rotation: Tensor
) -> None:
    grown = blobs.scaled(box / 32)
    images = project(grown.volume(box).to(dtype), rotation.to(dtype))
    assert images.dtype == dtype
    error = relative_error(images.double(), grown.projections(rotation, box))
    assert error.max() < 0.01
    assert error.mean() < 0.005


@pytest.mark.parametrize("box", BOXES)
def test_blobs_seen_along_an_axis_are_projected_to_within_a_fiftieth(box: int, blobs: "Blobs") -> None:
    # The worst poses: the slice falls on the grid, where dividing by the interpolation's window overcorrects.
    angles = torch.tensor([[0.0, 0, 0], [0, 90, 0], [90, 90, 90], [0, 180, 0], [0, 2, 0], [45, 0, 0]])
    grown = blobs.scaled(box / 32)
    rotation = euler_to_rotation(angles.double())
    assert relative_error(project(grown.volume(box), rotation), grown.projections(rotation, box)).max() < 0.02


@pytest.mark.parametrize("box", [48, 49])
def test_projection_agrees_with_turning_the_volume_and_summing(box: int, blobs: "Blobs", rotation: Tensor) -> None:
    volume = blobs.scaled(box / 32).volume(box)
    assert relative_error(project(volume, rotation), project_in_real_space(volume, rotation)).max() < 0.03


@pytest.mark.parametrize("box", [16, 17])
def test_turning_and_summing_at_the_identity_is_the_sum_along_z(box: int) -> None:
    volume = torch.randn(box, box, box, dtype=torch.float64)
    identity = torch.eye(3, dtype=torch.float64)[None]
    torch.testing.assert_close(project_in_real_space(volume, identity)[0], volume.sum(0))


@pytest.mark.parametrize("box", [32, 33])
def test_a_point_at_r_lands_at_the_xy_of_R_r(  # noqa: N802
    box: int, blob_at: Callable[..., "Blobs"], rotation: Tensor
) -> None:
    point = [6.0, -3.0, 4.0]
    images = project(blob_at(point, 1.5).volume(box), rotation)
    centre = rotation @ torch.tensor(point, dtype=torch.float64)
    axis = torch.arange(box, dtype=torch.float64) - box // 2
    distance = torch.hypot(axis - centre[:, 0, None, None], axis[:, None] - centre[:, 1, None, None])
    mass = images * (distance < 5)
    x, y = (mass * axis).sum((1, 2)) / mass.sum((1, 2)), (mass * axis[:, None]).sum((1, 2)) / mass.sum((1, 2))
    torch.testing.assert_close(torch.stack([x, y], dim=1), centre[:, :2], atol=0.05, rtol=0)


def test_a_point_on_the_third_row_of_the_rotation_lands_in_the_centre(
    blob_at: Callable[..., "Blobs"], rotation: Tensor
) -> None:
    for turn in rotation[:4]:
        image = project(blob_at((7 * turn[2]).tolist(), 1.5).volume(32), turn[None])[0]
        assert divmod(int(image.argmax()), 32) == (16, 16)


def test_projections_are_blind_to_the_mirror_image(blobs: "Blobs", rotation: Tensor) -> None:
    # The mirrored blobs seen at M R M look the same: no projection tells the hand.
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    mirrored = replace(blobs, centres=blobs.centres @ mirror)
    torch.testing.assert_close(
        project(mirrored.volume(33), mirror @ rotation @ mirror), project(blobs.volume(33), rotation)
    )


@pytest.mark.parametrize(("padding", "bound"), [(2, 0.03), (3, 0.01)])
@pytest.mark.parametrize("box", [16, 17])
@pytest.mark.parametrize("field", [1, 2])
def test_slices_of_noise_are_exact_to_interpolation_up_to_nyquist(
    box: int, field: int, padding: int, bound: float, rotation: Tensor
) -> None:
    axis = torch.arange(box, dtype=torch.float64) - box // 2
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    inside = x**2 + y**2 + z**2 < (box / 4) ** 2
    volume = torch.randn(box, box, box, dtype=torch.float64) * inside
    positions = torch.stack([x, y, z], dim=-1)[inside]
    frequency = frequency_grid(field * box, dtype=torch.float64)
    points = torch.einsum("hwi,bij->bhwj", frequency, rotation[:6, :2])
    exact = torch.exp(-2j * torch.pi * (points @ positions.T)) @ volume[inside].to(torch.complex128)
    slices = central_slices(to_fourier_volume(volume, padding), rotation[:6], field * box)
    radius = frequency.norm(dim=-1)
    for low, high, limit in [(0.0, 0.25, bound), (0.25, 0.45, bound), (0.45, 0.5, 2 * bound)]:
        ring = (radius >= low) & (radius < high - 1e-6)  # 8-15-17 triples lie on the Nyquist of box 34
        assert (slices - exact)[:, ring].norm() < limit * exact[:, ring].norm()
    assert slices[:, radius >= 0.5].abs().max() == 0


@pytest.mark.parametrize("box", [25, 50])
def test_frequencies_on_nyquist_are_zero_whatever_the_rounding(box: int, rotation: Tensor) -> None:
    # 3-4-5 triples, (0.3, 0.4) say, lie on Nyquist's circle of these boxes and round to either side of it.
    point = torch.zeros(box, box, box)
    point[(box // 2,) * 3] = 1
    for dtype in (torch.float32, torch.float64):
        slices = central_slices(to_fourier_volume(point.to(dtype)), rotation.to(dtype))
        frequency = frequency_grid(box).mul(box).round().int()
        on_nyquist = 4 * frequency.square().sum(-1) >= box**2
        assert torch.equal((slices == 0).all(0), on_nyquist)


def test_a_slice_at_the_origin_is_the_sum_of_the_volume(blobs: "Blobs", rotation: Tensor) -> None:
    volume = blobs.volume(33)
    slices = central_slices(to_fourier_volume(volume, 3), rotation)
    torch.testing.assert_close(slices[:, 0, 0].real, volume.sum().expand(24), rtol=0.03, atol=0)


def test_the_gradient_with_respect_to_the_rotation_is_that_of_finite_differences(blobs: "Blobs") -> None:
    volume = fourier_crop(blobs.volume(33), 17, 3)
    weight = torch.randn(2, 17, 17, dtype=torch.float64)
    start = random_rotations(2, torch.Generator().manual_seed(3), torch.float64)
    turn = torch.randn(2, 3, dtype=torch.float64)

    def value(step: Tensor) -> Tensor:
        return (weight * project(volume, roma.rotvec_to_rotmat(step * turn) @ start)).sum()

    step = torch.zeros((), dtype=torch.float64, requires_grad=True)
    # roma is differentiated at zero too; a small step away keeps the two sides apart.
    (slope,) = torch.autograd.grad(value(step + 1e-3), step)
    numeric = (value(torch.tensor(1e-3 + 1e-6)) - value(torch.tensor(1e-3 - 1e-6))) / 2e-6
    torch.testing.assert_close(slope, numeric, rtol=1e-3, atol=0)


def test_the_gradient_with_respect_to_the_rotation_turns_blobs_the_right_way(blobs: "Blobs", rotation: Tensor) -> None:
    axis = torch.tensor([0.3, -0.8, 0.5], dtype=torch.float64)
    weight = blobs.projections(rotation, 32).roll(3, dims=0)
    step = torch.zeros(24, 1, dtype=torch.float64, requires_grad=True)
    value = (weight * project(blobs.volume(32), roma.rotvec_to_rotmat(step * axis) @ rotation)).sum()
    (slope,) = torch.autograd.grad(value, step)
    there, back = (blobs.projections(roma.rotvec_to_rotmat(turn * axis) @ rotation, 32) for turn in (1e-5, -1e-5))
    truth = (weight * (there - back)).sum((1, 2)) / 2e-5
    # Linear interpolation has a derivative of steps: less exact than the image itself.
    assert (slope[:, 0] - truth).norm() < 0.1 * truth.norm()


@pytest.mark.parametrize("box", [32, 64])
def test_projection_agrees_with_torch_fourier_slice_given_the_inverse_rotation(
    box: int, blobs: "Blobs", rotation: Tensor
) -> None:
    from torch_fourier_slice import project_3d_to_2d

    grown = blobs.scaled(box / 32)
    volume, rotation = grown.volume(box).float(), rotation.float()
    ours = project(volume, rotation)
    # It wants the matrix that takes the microscope's frame to the particle's: ours transposed.
    assert relative_error(project_3d_to_2d(volume, rotation.mT), ours).mean() < 0.03
    assert relative_error(project_3d_to_2d(volume, rotation), ours).mean() > 0.3


def test_roma_zyz_is_the_inverse_of_our_rotation() -> None:
    angles = torch.tensor([[20.0, 50.0, -70.0]])
    torch.testing.assert_close(roma.euler_to_rotmat("ZYZ", angles, degrees=True), euler_to_rotation(angles).mT)


@pytest.mark.parametrize(("old", "new"), [(8, 4), (9, 5), (9, 4), (8, 5)])
def test_cutting_out_the_centre_keeps_it_at_size_over_2(old: int, new: int) -> None:
    image = torch.zeros(1, old, old)
    image[0, old // 2, old // 2] = 1
    assert crop_centre(image, new)[0, new // 2, new // 2] == 1
    assert crop_centre(image, new).shape == (1, new, new)


def test_a_detached_fourier_volume_gives_the_same_slices_and_no_gradient(rotation: Tensor) -> None:
    spectrum = to_fourier_volume(torch.randn(12, 12, 12, dtype=torch.float64, requires_grad=True))
    cut = central_slices(spectrum.detach(), rotation)
    assert not cut.requires_grad
    torch.testing.assert_close(cut, central_slices(spectrum, rotation).detach())


def test_a_projection_has_the_spectrum_of_its_slice(blobs: "Blobs") -> None:
    # At the identity the closed form of the slice theorem needs no interpolation.
    volume = blobs.volume(33)
    truth = fourier_transform(volume.sum(0))
    slice_ = central_slices(to_fourier_volume(volume, 4), torch.eye(3, dtype=torch.float64)[None])[0]
    inside = frequency_grid(33).norm(dim=-1) < 0.5
    assert (slice_ - truth)[inside].norm() < 0.02 * truth.norm()
    assert math.isclose(float(truth[0, 0].real), float(volume.sum()))
