"""Orientations: RELION's Euler angles both ways, uniform and gridded SO(3), poses."""

import math

import pytest
import torch

from frazil.geometry import (
    Pose,
    euler_to_rotation,
    grid_spacing_deg,
    half_turn_grid,
    random_rotations,
    rotation_angle,
    rotation_grid,
    rotation_to_euler,
    subdivide_rotations,
)


def relion_matrix(rot: float, tilt: float, psi: float) -> torch.Tensor:
    """Heymann, Chagoyen & Belnap 2005, written out: turns about z by rot, the new y by tilt, the new z by psi."""
    (ca, sa), (cb, sb), (cg, sg) = ((math.cos(math.radians(a)), math.sin(math.radians(a))) for a in (rot, tilt, psi))
    return torch.tensor(
        [
            [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
            [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
            [sb * ca, sb * sa, cb],
        ],
        dtype=torch.float64,
    )


def random_angles(count: int, generator: torch.Generator) -> torch.Tensor:
    uniform = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    return (uniform - torch.tensor([0.5, 0.0, 0.5])) * torch.tensor([360.0, 180.0, 360.0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_euler_angles_give_the_matrix_of_heymann_as_in_relion(dtype: torch.dtype, generator: torch.Generator) -> None:
    angles = random_angles(50, generator)
    expected = torch.stack([relion_matrix(*row) for row in angles.tolist()])
    torch.testing.assert_close(euler_to_rotation(angles.to(dtype)), expected.to(dtype))


def test_the_worked_example_of_the_conventions() -> None:
    rotation = euler_to_rotation(torch.tensor([30.0, 90.0, 0.0], dtype=torch.float64))
    half, root = 0.5, 0.75**0.5
    expected = torch.tensor([[0.0, 0.0, -1.0], [-half, root, 0.0], [root, half, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(rotation, expected, atol=1e-12, rtol=0)


def test_the_third_row_is_the_direction_of_view(generator: torch.Generator) -> None:
    angles = random_angles(20, generator)
    rot, tilt = torch.deg2rad(angles[:, 0]), torch.deg2rad(angles[:, 1])
    view = torch.stack([tilt.sin() * rot.cos(), tilt.sin() * rot.sin(), tilt.cos()], dim=-1)
    torch.testing.assert_close(euler_to_rotation(angles)[:, 2], view)


def test_psi_turns_the_image_clockwise_with_y_up() -> None:
    rotation = euler_to_rotation(torch.tensor([0.0, 0.0, 90.0]))
    torch.testing.assert_close(rotation @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0]))


def test_euler_angles_come_back_from_their_matrix(generator: torch.Generator) -> None:
    angles = random_angles(200, generator)
    torch.testing.assert_close(rotation_to_euler(euler_to_rotation(angles)), angles, atol=1e-8, rtol=0)


@pytest.mark.parametrize("tilt", [0.0, 1e-3, 0.02, 179.98, 179.999, 180.0])
@pytest.mark.parametrize(("dtype", "degrees"), [(torch.float32, 0.02), (torch.float64, 2e-4)])
def test_the_rotation_survives_its_euler_angles_at_the_poles(tilt: float, dtype: torch.dtype, degrees: float) -> None:
    angles = torch.tensor([[35.0, tilt, -120.0], [-170.0, tilt, 10.0], [0.0, tilt, 0.0]], dtype=dtype)
    rotation = euler_to_rotation(angles)
    back = euler_to_rotation(rotation_to_euler(rotation))
    assert rotation_angle(back.double(), rotation.double()).max() < degrees


def test_euler_angles_lie_in_relions_ranges(generator: torch.Generator) -> None:
    angles = rotation_to_euler(random_rotations(2000, generator))
    assert (angles[:, ::2].abs() <= 180).all()
    assert ((angles[:, 1] >= 0) & (angles[:, 1] <= 180)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_random_rotations_are_proper_and_follow_their_generator(dtype: torch.dtype) -> None:
    rotation = random_rotations(100, torch.Generator().manual_seed(5), dtype)
    assert rotation.dtype == dtype
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3, dtype=dtype).expand(100, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(100, dtype=dtype))
    assert torch.equal(rotation, random_rotations(100, torch.Generator().manual_seed(5), dtype))


def test_random_rotations_are_uniform_over_the_group(generator: torch.Generator) -> None:
    count = 20_000
    rotation = random_rotations(count, generator, torch.float64)
    bound = 1.63 / count**0.5  # Kolmogorov, 1 %
    angle = torch.deg2rad(rotation_angle(rotation, torch.eye(3, dtype=torch.float64).expand(count, 3, 3)))
    # Haar measure: the angle of turn has the density (1 - cos) / pi, and every row is uniform on the sphere.
    empirical = torch.arange(count) / count
    assert (((angle - angle.sin()) / torch.pi).sort().values - empirical).abs().max() < bound
    for entry in rotation.reshape(count, 9).T:
        assert (((entry + 1) / 2).sort().values - empirical).abs().max() < bound


def test_the_angle_between_rotations_is_the_angle_of_the_turn(generator: torch.Generator) -> None:
    first = random_rotations(20, generator, torch.float64)
    for degrees in (0.0, 0.01, 5.0, 90.0, 175.0):
        turn = euler_to_rotation(torch.tensor([0.0, degrees, 0.0], dtype=torch.float64))
        torch.testing.assert_close(
            rotation_angle(first, turn @ first), torch.full((20,), degrees, dtype=torch.float64), atol=1e-5, rtol=0
        )


def nearest_angles(rotations: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    trace = (rotations.flatten(1) @ grid.flatten(1).T).amax(1)
    return torch.rad2deg(torch.acos(((trace - 1) / 2).clamp(-1, 1)))


@pytest.mark.parametrize(("order", "degrees"), [(0, 52.0), (1, 27.0), (2, 14.0)])
def test_the_rotation_grid_leaves_no_hole(order: int, degrees: float, generator: torch.Generator) -> None:
    grid = rotation_grid(order)
    assert grid.shape == (72 * 8**order, 3, 3)
    torch.testing.assert_close(grid @ grid.mT, torch.eye(3).expand(len(grid), 3, 3))
    distance = nearest_angles(random_rotations(3000, generator), grid)
    assert distance.max() < degrees
    assert distance.mean() < 0.6 * degrees


@pytest.mark.parametrize(("order", "degrees"), [(0, 59.0), (1, 27.0), (2, 12.5)])
def test_no_two_rotations_of_the_grid_are_much_closer_than_its_spacing(order: int, degrees: float) -> None:
    grid = rotation_grid(order)
    trace = grid[:500].flatten(1) @ grid.flatten(1).T
    trace[torch.arange(min(500, len(grid))), torch.arange(min(500, len(grid)))] = -1
    assert torch.rad2deg(torch.acos((trace.amax(1) - 1) / 2)).min() > degrees


@pytest.mark.parametrize(("order", "degrees"), [(1, 30.0), (2, 18.0), (3, 10.0)])
def test_children_of_a_grid_rotation_stay_near_it_also_at_the_poles(order: int, degrees: float) -> None:
    parents = rotation_grid(order - 1).repeat_interleave(8, dim=0)
    assert rotation_angle(rotation_grid(order), parents).max() < degrees


@pytest.mark.parametrize("order", [0, 1])
def test_half_a_grid_turned_in_the_plane_is_the_other_half(order: int) -> None:
    half = half_turn_grid(order)
    both = torch.cat([half, half * torch.tensor([-1.0, -1.0, 1.0])[:, None]])
    whole = rotation_grid(order)
    assert len(both) == len(whole)
    angles = rotation_angle(*torch.broadcast_tensors(both[:, None], whole))
    assert float(angles.amin(0).max()) < 0.1


def test_children_of_a_grid_rotation_surround_it() -> None:
    parents, children = rotation_grid(1).double(), rotation_grid(2).double().reshape(-1, 8, 3, 3)
    u, _, vt = torch.linalg.svd(children.mean(1))
    assert rotation_angle(u @ vt, parents).max() < 9  # the middle of the eight; the spacing is 30


def test_poses_are_indexed_and_moved_as_one() -> None:
    pose = Pose(torch.eye(3).repeat(5, 1, 1), torch.arange(10.0).reshape(5, 2))
    assert len(pose) == 5
    part = pose[torch.tensor([4, 0])]
    assert part.shift.tolist() == [[8, 9], [0, 1]]
    assert len(pose[1:3]) == 2
    assert pose.to(torch.float64).rotation.dtype == torch.float64


def test_subdividing_a_grid_halves_the_distance_to_any_rotation() -> None:
    grid, anywhere = rotation_grid(1), random_rotations(300, torch.Generator().manual_seed(1))

    def farthest(rotations: torch.Tensor) -> float:
        return float(rotation_angle(*torch.broadcast_tensors(anywhere[:, None], rotations)).amin(1).max())

    children = subdivide_rotations(grid, grid_spacing_deg(1))
    assert len(children) == 8 * len(grid)
    assert farthest(children) < 0.62 * farthest(grid)
    own = rotation_angle(*torch.broadcast_tensors(children.view(-1, 8, 3, 3), grid[:, None]))
    torch.testing.assert_close(own, torch.full_like(own, 7.5 * 3**0.5), rtol=1e-3, atol=1e-3)
