"""The pose encoder: turned images have turned poses, and a grid's probabilities give their rotation back."""

import pytest
import torch

from frazil.geometry import Pose, random_rotations, rotation_angle, symmetry_rotations
from frazil.inference.pose_grid import PoseGrid
from frazil.methods.pose import PosedImages, quarter_turns
from frazil.physics import form_images
from tests.physics.conftest import Blobs


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_images_show_the_turned_particle(quarters: int, generator: torch.Generator) -> None:
    centres = torch.tensor([[3.0, 1, -2], [-4, 2, 1], [0, -3, 4]], dtype=torch.float64)
    volume = Blobs(centres, torch.tensor([1.0, 2, 3], dtype=torch.float64), 1.5).volume(24).float()
    rotation = random_rotations(3, generator)

    def seen(rotations: torch.Tensor) -> torch.Tensor:
        return form_images(volume, Pose(rotations, torch.zeros(3, 2)), None, 1.0)

    turned = quarter_turns(PosedImages(seen(rotation), rotation), quarters)
    inner = (slice(None), slice(1, None), slice(1, None))  # the first row and column have no opposite
    assert torch.allclose(turned.images[inner], seen(turned.rotation)[inner], atol=0.05 * float(turned.images.max()))


@pytest.mark.parametrize(("symmetry", "count"), [("C1", 4608), ("O", 192), ("D2", 1152)])
def test_probabilities_of_a_true_rotation_give_it_back(symmetry: str, count: int, generator: torch.Generator) -> None:
    grid = PoseGrid(2, symmetry_rotations(symmetry))
    assert len(grid) == pytest.approx(count, rel=0.3)
    rotation = random_rotations(50, generator)
    found = grid.guess(grid.target(rotation))
    equivalent = rotation[:, None] @ grid.group
    error = rotation_angle(found[:, None].expand_as(equivalent), equivalent).amin(1)
    assert error.median() < 3
    assert error.max() < 12
