"""Images as the networks see them."""

import torch

from frazil.data import ImageBatch, pseudo_protein
from frazil.geometry import Pose, euler_to_rotation, fourier_transform, random_rotations, rotation_to_euler
from frazil.inference import ParticleImages
from frazil.methods.cryodrgn.centred import Centring
from frazil.physics import CTFRanges, form_images, project

BOX, PIXEL_SIZE = 32, 6.0


def test_particles_are_moved_to_the_centre_and_divided_by_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    volume = pseudo_protein(BOX, PIXEL_SIZE)
    pose = Pose(random_rotations(4, generator), 20 * torch.rand(4, 2, generator=generator))
    ctf = CTFRanges().sample(4, generator)
    images = form_images(volume, pose, ctf, PIXEL_SIZE)
    centring = Centring(ParticleImages(lambda rows: images[rows], ctf, 4, BOX, PIXEL_SIZE), pose, 60 / PIXEL_SIZE)
    rows = torch.tensor([2, 0])
    found = centring(ImageBatch(rows, images[rows]))
    clean = fourier_transform(project(volume, pose.rotation[rows]))[:, centring.disc.inside] / BOX
    assert torch.equal(found.rotation, pose.rotation[rows])
    assert (found.spectrum - found.ctf * clean).norm() < 0.02 * found.spectrum.norm()


def test_images_are_seen_by_a_pose_a_little_off_as_if_it_were_theirs() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, BOX, BOX, generator=generator)
    pose = Pose(random_rotations(3, generator), torch.zeros(3, 2))
    centring = Centring(ParticleImages(lambda rows: images[rows], None, 3, BOX, PIXEL_SIZE), pose, 60 / PIXEL_SIZE)
    rows, by = torch.tensor([2, 0]), torch.tensor([[0.1, 0.0, 0.0, 1.0, -0.5], [0.0, 0.2, -0.1, 0.0, 0.3]])
    seen = centring(ImageBatch(rows, images[rows])).moved(by, centring.disc.frequency)
    centring.move(rows, by)
    after = centring(ImageBatch(rows, images[rows]))
    assert torch.allclose(seen.spectrum, after.spectrum, atol=1e-4)
    assert torch.allclose(seen.rotation, after.rotation, atol=1e-6)
    assert torch.allclose(pose.shift[2], PIXEL_SIZE * torch.tensor([1.0, -0.5]))
    assert (pose.shift[1] == 0).all()


def test_white_noise_has_power_one() -> None:
    images = torch.randn(200, BOX, BOX, generator=torch.Generator().manual_seed(0))
    pose = Pose(torch.eye(3).expand(200, 3, 3), torch.zeros(200, 2))
    centring = Centring(ParticleImages(lambda rows: images[rows], None, 200, BOX, PIXEL_SIZE), pose, 10.0)
    found = centring(ImageBatch(torch.arange(200), images))
    assert abs(found.spectrum.abs().square().mean() - 1) < 0.01
    assert found.pixels.shape == (200, centring.pixels)
    assert (found.ctf == 1).all()


def test_the_encoders_pixels_are_those_of_the_particles_circle_with_phases_flipped() -> None:
    generator = torch.Generator().manual_seed(0)
    volume = pseudo_protein(BOX, PIXEL_SIZE)
    pose = Pose(random_rotations(3, generator), torch.zeros(3, 2))
    ctf = CTFRanges(amplitude_contrast=0.1).sample(3, generator)
    images = form_images(volume, pose, ctf, PIXEL_SIZE)
    centring = Centring(ParticleImages(lambda rows: images[rows], ctf, 3, BOX, PIXEL_SIZE), pose, 60 / PIXEL_SIZE)
    found = centring(ImageBatch(torch.arange(3), images)).pixels
    upright = rotation_to_euler(pose.rotation) * torch.tensor([1.0, 1.0, 0.0])
    clean = project(volume, euler_to_rotation(upright))[:, centring._within]
    clean = clean - clean.mean(1, keepdim=True)
    for one, other in zip(found - found.mean(1, keepdim=True), clean, strict=True):
        assert one @ other / one.norm() / other.norm() > 0.6  # without the flip: -0.2 to 0.2


def test_the_encoder_is_shown_the_same_however_the_image_lies_in_its_plane() -> None:
    angles = torch.tensor([[40.0, 70.0, 0.0], [40.0, 70.0, 117.0], [40.0, 110.0, 117.0]])
    pose = Pose(euler_to_rotation(angles), torch.zeros(3, 2))
    images = form_images(pseudo_protein(BOX, PIXEL_SIZE), pose, None, PIXEL_SIZE)
    centring = Centring(ParticleImages(lambda rows: images[rows], None, 3, BOX, PIXEL_SIZE), pose, 60 / PIXEL_SIZE)
    first, turned, other = centring(ImageBatch(torch.arange(3), images)).pixels
    assert (turned - first).norm() < 0.15 * first.norm()  # of linear interpolation
    assert (other - first).norm() > 0.5 * first.norm()
