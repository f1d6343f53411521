"""The map that images make at known poses."""

import pytest
import torch

from frazil.geometry import Pose, random_rotations
from frazil.inference import ParticleImages
from frazil.inference.map_of_poses import map_of_poses
from frazil.metrics import fourier_shell_correlation
from frazil.physics import form_images, make_ctf
from tests.physics.conftest import Blobs


@pytest.mark.parametrize("shifted", [False, True])
def test_images_at_their_poses_give_the_particle_back(shifted: bool, generator: torch.Generator) -> None:
    box, count = 24, 300
    centres = torch.tensor([[3.0, 1, -2], [-4, 2, 1], [0, -3, 4]], dtype=torch.float64)
    volume = Blobs(centres, torch.tensor([1.0, 2, 3], dtype=torch.float64), 1.5).volume(box).float()
    shift = 6.0 * torch.randn(count, 2, generator=generator).clamp(-1, 1) * shifted
    pose = Pose(random_rotations(count, generator), shift)
    ctf = make_ctf(10_000 + 5_000 * torch.rand(count, generator=generator))
    images = form_images(volume, pose, ctf, 4.0) + 0.5 * torch.randn(count, box, box, generator=generator)
    data = ParticleImages(lambda rows: images[rows], ctf, count, box, 4.0)
    found = map_of_poses(data, pose, torch.eye(3)[None], radius=9.0)
    assert fourier_shell_correlation(found, volume, 4.0).resolution(0.5) < 12
