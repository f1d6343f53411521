"""Volumes turned on their grid, and the mask around them."""

import pytest
import torch

from frazil.geometry import (
    centred_coordinates,
    euler_to_rotation,
    random_rotations,
    rotate_volume,
    soft_sphere,
    turned_back,
)


def blob(box: int, centre: torch.Tensor, sigma: float) -> torch.Tensor:
    distance = centred_coordinates(box, 3, dtype=torch.float64) - centre
    return torch.exp(-distance.square().sum(-1) / (2 * sigma**2))


def test_coordinates_are_zero_at_size_over_2_and_ordered_x_y_z() -> None:
    for box in (4, 5):
        grid = centred_coordinates(box, 3)
        assert grid[box // 2, box // 2, box // 2].tolist() == [0, 0, 0]
        assert grid[0, 1, 2].tolist() == [2 - box // 2, 1 - box // 2, -(box // 2)]


@pytest.mark.parametrize("box", [24, 25])
def test_turning_a_volume_takes_a_point_r_to_R_r(box: int, generator: torch.Generator) -> None:  # noqa: N802
    centre = torch.tensor([4.0, -2.0, 3.0], dtype=torch.float64)
    for rotation in random_rotations(4, generator, torch.float64):
        turned = rotate_volume(blob(box, centre, 2.5), rotation)
        error = (turned - blob(box, rotation @ centre, 2.5)).norm() / turned.norm()
        assert error < 0.06  # trilinear interpolation blurs


@pytest.mark.parametrize("box", [8, 9])
def test_a_quarter_turn_about_z_takes_x_to_y_exactly(box: int) -> None:
    volume = torch.zeros(box, box, box)
    volume[box // 2, box // 2, box // 2 + 2] = 1  # at x = 2
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    expected = torch.zeros(box, box, box)
    expected[box // 2, box // 2 + 2, box // 2] = 1  # at y = 2
    torch.testing.assert_close(rotate_volume(volume, quarter), expected)


def test_points_turned_back_are_those_of_the_inverse_rotation(generator: torch.Generator) -> None:
    rotation = random_rotations(5, generator, torch.float64)
    points = torch.randn(7, 3, dtype=torch.float64)
    expected = torch.einsum("bij,ni->bnj", rotation, points)
    torch.testing.assert_close(turned_back(points, rotation[:, None]), expected)
    flat = points * torch.tensor([1.0, 1.0, 0.0])
    torch.testing.assert_close(turned_back(points[:, :2], rotation[:, None]), turned_back(flat, rotation[:, None]))


def test_turning_does_not_depend_on_mixed_precision() -> None:
    volume, rotation = torch.randn(16, 16, 16), euler_to_rotation(torch.tensor([20.0, 50.0, 70.0]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = rotate_volume(volume, rotation)
    assert torch.equal(mixed, rotate_volume(volume, rotation))


@pytest.mark.parametrize("box", [20, 21])
def test_a_soft_sphere_is_one_inside_and_zero_beyond_its_edge(box: int) -> None:
    mask = soft_sphere(box, 5.0, 3.0)
    distance = centred_coordinates(box, 3).norm(dim=-1)
    assert (mask[distance <= 5] == 1).all()
    assert (mask[distance >= 8.01] < 1e-6).all()
    assert (mask >= 0).all()
    torch.testing.assert_close(soft_sphere(box, 4.0, 4.0, 2)[box // 2, box // 2 + 6], torch.tensor(0.5))
