"""What the critic is shown: turned about the centre, and blurred."""

import pytest
import torch
from torch import Tensor

from frazil.geometry import (
    Pose,
    centred_coordinates,
    fourier_crop,
    fourier_transform,
    random_rotations,
    shell_index,
    soft_sphere,
)
from frazil.methods.cryogan.views import dihedral, dihedral_sources, smooth, within_disc, without_nyquist
from frazil.physics import form_images, make_ctf, white_noise

CPU = torch.device("cpu")
BOXES = [16, 17]


def all_elements(image: Tensor) -> Tensor:
    """The image under each of the eight elements."""
    sources = dihedral_sources(image.shape[-1], CPU)
    return dihedral(image.expand(8, -1, -1).contiguous(), sources, torch.arange(8))


def by_flips_and_rotations(image: Tensor) -> list[Tensor]:
    """The same by PyTorch's own flips and turns, on an odd box whose far edge repeats the near one."""
    box = image.shape[-1]
    odd = torch.nn.functional.pad(image[None, None], (0, 1 - box % 2) * 2, mode="circular")[0, 0]
    images = [torch.rot90(start, turns, dims=(-1, -2)) for start in (odd, odd.flip(-1)) for turns in range(4)]
    return [turned[:box, :box] for turned in images]


@pytest.mark.parametrize("box", BOXES)
def test_the_eight_elements_are_the_flips_and_quarter_turns_about_the_centre(box: int) -> None:
    image = torch.randn(box, box)
    for element, (ours, expected) in enumerate(zip(all_elements(image), by_flips_and_rotations(image), strict=True)):
        assert torch.equal(ours, expected), f"element {element}"


@pytest.mark.parametrize("box", BOXES)
def test_the_elements_are_eight_different_permutations_that_keep_the_centre(box: int) -> None:
    sources = dihedral_sources(box, CPU)
    assert len(torch.unique(sources, dim=0)) == 8
    assert torch.equal(sources.sort(dim=1).values, torch.arange(box**2).expand(8, -1))
    centre = box // 2 * box + box // 2
    assert (sources[:, centre] == centre).all()


@pytest.mark.parametrize("box", BOXES)
def test_two_elements_one_after_the_other_are_a_third(box: int) -> None:
    image = torch.randn(box, box)
    once = all_elements(image)
    for turned in once:
        for twice in all_elements(turned):
            assert any(torch.equal(twice, other) for other in once)


def test_each_image_of_a_batch_takes_its_own_element() -> None:
    images = torch.randn(3, 8, 8)
    element = torch.tensor([5, 0, 2])
    turned = dihedral(images, dihedral_sources(8, CPU), element)
    for image, number, result in zip(images, element, turned, strict=True):
        assert torch.equal(result, all_elements(image)[number])


def blob_image(box: int, defocus: float) -> Tensor:
    """A centred Gaussian blob through a lens without astigmatism."""
    radius = centred_coordinates(box, 3).norm(dim=-1)
    pose = Pose(torch.eye(3)[None], torch.zeros(1, 2))
    return form_images(torch.exp(-radius.square() / 8), pose, make_ctf(torch.tensor([defocus])), pixel_size=6.0)[0]


@pytest.mark.parametrize("box", [32, 33])
def test_a_centred_blob_through_a_lens_stays_where_it_is(box: int) -> None:
    image = blob_image(box, 15_000.0)
    inside = soft_sphere(box, box / 2 - 1.5, 0.0, ndim=2)
    for turned in all_elements(image):
        assert ((turned - image) * inside).abs().max() < 1e-4 * image.abs().max()


@pytest.mark.parametrize("box", [24, 33])
def test_a_turned_or_flipped_projection_is_a_projection_of_the_same_hand(box: int) -> None:
    """A flip is the view from behind: z changes its sign too, so no mirror image of the molecule is asked for."""
    volume = torch.randn(box, box, box) * soft_sphere(box, box / 4, box / 8)
    pose = Pose(random_rotations(1, torch.Generator().manual_seed(1)), torch.tensor([[7.0, -4.0]]))
    pixel_size = 3.0
    turn, flip = torch.tensor([[0.0, -1.0], [1.0, 0.0]]), torch.tensor([[-1.0, 0.0], [0.0, 1.0]])
    images = all_elements(form_images(volume, pose, None, pixel_size)[0])
    inside = soft_sphere(box, box / 2 - 1.5, 0.0, ndim=2)
    for element, image in enumerate(images):
        plane = torch.linalg.matrix_power(turn, element % 4) @ (flip if element >= 4 else torch.eye(2))
        rotation = torch.block_diag(plane, torch.linalg.det(plane)[None, None])
        expected = form_images(volume, Pose(rotation @ pose.rotation, pose.shift @ plane.T), None, pixel_size)[0]
        assert ((image - expected) * inside).norm() < 1e-3 * (expected * inside).norm()


@pytest.mark.parametrize("box", [32, 33])
@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_a_point_is_blurred_to_a_gaussian_of_the_width_asked_for(box: int, sigma: float) -> None:
    point = torch.zeros(1, box, box)
    point[0, box // 2, box // 2] = 1.0
    square = centred_coordinates(box, 2).square().sum(-1)
    expected = torch.exp(-square / (2 * sigma**2)) / (2 * torch.pi * sigma**2)
    torch.testing.assert_close(smooth(point, sigma)[0], expected, rtol=0, atol=5e-3 * float(expected.max()))


def test_blurring_keeps_the_mean_and_no_blur_keeps_the_image() -> None:
    images = torch.randn(3, 15, 15)
    torch.testing.assert_close(smooth(images, 2.0).mean((-1, -2)), images.mean((-1, -2)))
    assert torch.equal(smooth(images, 0.0), images)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("box", BOXES)
def test_only_the_finest_tenth_of_the_shells_and_the_corners_are_left_out(box: int, ndim: int) -> None:
    white = torch.randn(2, *(box,) * ndim, dtype=torch.float64)
    before, after = (fourier_transform(values, ndim) for values in (white, within_disc(white, ndim)))
    kept = shell_index(box, ndim) <= 0.9 * box / 2
    torch.testing.assert_close(after, before * kept)
    assert 7 <= int(shell_index(box, ndim)[kept].max()) < box / 2


def test_cropped_and_uncropped_noise_look_alike_without_the_nyquist_frequency() -> None:
    generator = torch.Generator().manual_seed(0)
    cropped = fourier_crop(white_noise((4, 24, 24), generator), 16)
    for images in (cropped, white_noise((4, 16, 16), generator)):
        shown = fourier_transform(without_nyquist(images)).abs()
        assert shown[:, 8].max() < 1e-4
        assert shown[..., -1].max() < 1e-4
        assert shown[:, :8, :-1].median() > 1
    odd = white_noise((1, 15, 15), generator)
    assert torch.equal(without_nyquist(odd), odd)
