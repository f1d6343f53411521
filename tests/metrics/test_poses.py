import pytest
import roma
import torch

from frazil.data import pseudo_protein
from frazil.geometry import Pose, random_rotations, rotation_angle, symmetry_rotations
from frazil.metrics import pose_errors
from frazil.physics import form_images, low_pass

COUNT = 400
SYMMETRIES = pytest.mark.parametrize("symmetry", ["C1", "D2", "O"])
HANDS = pytest.mark.parametrize("mirrored", [False, True])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def true_poses() -> Pose:
    return Pose(random_rotations(COUNT, seeded(1)), 10 * torch.rand(COUNT, 2, generator=seeded(2)))


def in_another_frame(truth: Pose, symmetry: str, mirrored: bool) -> tuple[Pose, torch.Tensor]:
    """The same poses of a particle that was found turned, off its origin, at any equivalent view, of either hand."""
    frame, offset = random_rotations(1, seeded(3))[0], torch.tensor([3.0, -5.0, 2.0])
    group = symmetry_rotations(symmetry).float()
    equivalent = group[torch.randint(len(group), (COUNT,), generator=seeded(4))]
    rotation = truth.rotation @ equivalent @ frame
    if mirrored:
        rotation = torch.diag(torch.tensor([-1.0, -1.0, 1.0])) @ rotation
    return Pose(rotation, truth.shift + (truth.rotation @ equivalent)[:, :2] @ offset), frame


@SYMMETRIES
@HANDS
def test_right_poses_in_another_frame_have_no_error(symmetry: str, mirrored: bool) -> None:
    truth = true_poses()
    found, frame = in_another_frame(truth, symmetry, mirrored)
    errors = pose_errors(found, truth, symmetry)
    assert errors.mirrored == mirrored
    assert float(errors.angle_deg.max()) < 0.1
    assert float(errors.shift.max()) < 1e-3
    group = symmetry_rotations(symmetry).float()
    assert float(rotation_angle(group @ frame, errors.rotation.expand_as(group)).min()) < 0.1


@HANDS
def test_a_map_is_brought_to_where_the_true_poses_would_have_made_it(mirrored: bool) -> None:
    """Seen at either poses, it makes the same images."""
    truth, pixel_size = true_poses(), 8.0
    found, _ = in_another_frame(truth, "C1", mirrored)
    volume = low_pass(pseudo_protein(24, pixel_size), pixel_size, 30.0)
    there = pose_errors(found, truth).in_true_frame(volume, pixel_size)
    one, two = (form_images(each, pose[:20], None, pixel_size) for each, pose in ((volume, found), (there, truth)))
    assert float((one - two).square().mean() / one.var()) < 1e-3


@HANDS
def test_errors_are_those_that_were_made_and_wrong_poses_do_not_turn_the_frame(mirrored: bool) -> None:
    truth = true_poses()
    found, _ = in_another_frame(truth, "C1", mirrored)
    axis = torch.nn.functional.normalize(torch.randn(COUNT, 3, generator=seeded(5)), dim=1)
    rotation = found.rotation @ roma.rotvec_to_rotmat(axis * torch.deg2rad(torch.tensor(4.0)))
    wrong = torch.arange(COUNT) % 5 == 0
    rotation[wrong] = random_rotations(int(wrong.sum()), seeded(6))
    shift = torch.where(wrong[:, None], 100.0, found.shift + torch.tensor([0.6, 0.8]))
    errors = pose_errors(Pose(rotation, shift), truth)
    assert errors.mirrored == mirrored
    torch.testing.assert_close(errors.angle_deg[~wrong], torch.full((320,), 4.0), atol=0.8, rtol=0)
    torch.testing.assert_close(errors.shift[~wrong], torch.ones(320), atol=0.4, rtol=0)
    assert float(errors.angle_deg[wrong].median()) > 60


def test_poses_of_nothing_in_common_are_as_far_as_chance_has_them() -> None:
    errors = pose_errors(Pose(random_rotations(COUNT, seeded(7)), torch.zeros(COUNT, 2)), true_poses())
    assert 80 < float(errors.angle_deg.median()) < 130
