"""The forward model as a whole: where a shifted particle lands, what the lens does to it, how loud the noise is."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor

from frazil.geometry import (
    Pose,
    fourier_crop,
    fourier_transform,
    frequency_grid,
    inverse_fourier_transform,
    random_rotations,
    shell_average,
)
from frazil.physics import (
    CTF,
    evaluate_ctf,
    form_images,
    make_ctf,
    noise_std_for_snr,
    signal_to_noise_db,
    to_fourier_volume,
)

if TYPE_CHECKING:
    from tests.physics.conftest import Blobs

PIXEL_SIZE = 3.0


@pytest.fixture
def pose(generator: torch.Generator) -> Pose:
    shift = 5 * torch.randn(8, 2, generator=generator, dtype=torch.float64)
    return Pose(random_rotations(8, generator, torch.float64), shift)


@pytest.fixture
def ctf() -> CTF:
    defocus = torch.linspace(9000, 14000, 8, dtype=torch.float64)
    return make_ctf(defocus, 0.9 * defocus)


def error(images: Tensor, truth: Tensor) -> Tensor:
    return (images - truth).norm() / truth.norm()


@pytest.mark.parametrize("box", [32, 33])
@pytest.mark.parametrize("margin", [1, 2])
def test_a_shift_in_angstrom_x_then_y_is_where_the_particle_is(
    margin: int, box: int, blobs: "Blobs", pose: Pose
) -> None:
    images = form_images(blobs.volume(box), pose, None, PIXEL_SIZE, margin)
    assert error(images, blobs.projections(pose.rotation, box, pose.shift / PIXEL_SIZE)) < 0.025
    assert error(images, blobs.projections(pose.rotation, box, -pose.shift / PIXEL_SIZE)) > 0.5


@pytest.mark.parametrize("box", [32, 33])
def test_a_particle_at_x_6_and_y_minus_9_angstrom_is_two_columns_right_and_three_rows_up(
    box: int, blob_at: Callable[..., "Blobs"]
) -> None:
    pose = Pose(torch.eye(3)[None], torch.tensor([[6.0, -9.0]]))
    image = form_images(blob_at([0.0, 0.0, 0.0], 1.5).volume(box).float(), pose, None, PIXEL_SIZE)[0]
    assert divmod(int(image.argmax()), box) == (box // 2 - 3, box // 2 + 2)


@pytest.mark.parametrize("box", [32, 33])
def test_the_lens_acts_on_a_field_larger_than_the_box(box: int, blobs: "Blobs", pose: Pose) -> None:
    ctf = make_ctf(torch.linspace(25000, 35000, 8, dtype=torch.float64))
    field, start = 4 * box, 4 * box // 2 - box // 2
    wide = blobs.projections(pose.rotation, field, pose.shift / PIXEL_SIZE).numpy()
    frequency = frequency_grid(field, PIXEL_SIZE, dtype=torch.float64)
    spectrum = np.fft.rfft2(wide) * evaluate_ctf(ctf, frequency).numpy()
    truth = torch.tensor(np.fft.irfft2(spectrum, s=(field, field)))[:, start : start + box, start : start + box]
    near = error(form_images(blobs.volume(box), pose, ctf, PIXEL_SIZE), truth)
    wrapped = error(form_images(blobs.volume(box), pose, ctf, PIXEL_SIZE, margin=1), truth)
    assert near < 0.03 < 0.05 < wrapped


def test_an_image_without_margin_is_the_ctf_times_the_shifted_projection(pose: Pose, ctf: CTF) -> None:
    volume = torch.randn(16, 16, 16, dtype=torch.float64)
    plain = form_images(volume, pose, None, PIXEL_SIZE, margin=1)
    seen = fourier_transform(plain) * evaluate_ctf(ctf, frequency_grid(16, PIXEL_SIZE, dtype=torch.float64))
    torch.testing.assert_close(
        form_images(volume, pose, ctf, PIXEL_SIZE, margin=1), inverse_fourier_transform(seen, 16)
    )


def test_neighbours_show_the_views_of_their_company_under_the_lens_of_the_image(
    blobs: "Blobs", pose: Pose, ctf: CTF
) -> None:
    volume, empty = blobs.volume(32), torch.full((8, 2, 2), torch.inf, dtype=torch.float64)
    places = empty.clone()
    places[0, 0], places[5, 1] = torch.tensor([60.0, -20.0]), torch.tensor([-45.0, 33.0])
    crowded = form_images(volume, pose, ctf, PIXEL_SIZE, 2, places)
    alone = form_images(volume, pose, ctf, PIXEL_SIZE, 2)
    torch.testing.assert_close(form_images(volume, pose, ctf, PIXEL_SIZE, 2, empty), alone)
    # Of four images the first neighbour shows the view of the one before, the second that of the one before that.
    for image, company, place in [(0, 3, places[0, 0]), (5, 7, places[5, 1])]:
        moved = Pose(pose.rotation[[company]], place[None])
        expected = alone[image] + form_images(volume, moved, ctf[image : image + 1], PIXEL_SIZE, 2)[0]
        torch.testing.assert_close(crowded[image], expected)
    others = [1, 2, 3, 4, 6, 7]
    torch.testing.assert_close(crowded[others], alone[others])


def test_no_gradient_flows_through_a_neighbour(blobs: "Blobs", pose: Pose) -> None:
    def gradient(neighbours: Tensor | None) -> Tensor:
        volume = blobs.volume(16).requires_grad_()
        image = form_images(volume, pose, None, PIXEL_SIZE, 2, neighbours)
        image.sum().backward()
        assert volume.grad is not None
        return volume.grad

    torch.testing.assert_close(gradient(torch.full((8, 1, 2), 9.0, dtype=torch.float64)), gradient(None))


def test_images_with_neighbours_come_in_fours(blobs: "Blobs", pose: Pose) -> None:
    with pytest.raises(ValueError, match="6 images with neighbours: their number must be a multiple of 4"):
        form_images(blobs.volume(16), pose[:6], None, PIXEL_SIZE, 2, torch.zeros(6, 1, 2, dtype=torch.float64))


def test_protein_that_is_positive_in_the_volume_is_positive_in_the_image(blobs: "Blobs", pose: Pose, ctf: CTF) -> None:
    seen = form_images(blobs.volume(32), pose, ctf, PIXEL_SIZE)
    bare = form_images(blobs.volume(32), pose, None, PIXEL_SIZE)
    assert ((seen * bare).sum((1, 2)) > 0).all()
    spectra = fourier_transform(seen) * fourier_transform(bare).conj()
    assert (shell_average(spectra.real, 32)[:, :3] > 0).all()


def test_a_fourier_volume_is_imaged_as_its_volume(pose: Pose, ctf: CTF) -> None:
    volume = torch.randn(16, 16, 16, dtype=torch.float64)
    prepared = form_images(to_fourier_volume(volume), pose, ctf, PIXEL_SIZE)
    assert torch.equal(prepared, form_images(volume, pose, ctf, PIXEL_SIZE))


def test_a_coarser_grid_gives_the_same_image_per_voxel_summed(blobs: "Blobs", pose: Pose, ctf: CTF) -> None:
    # A projection is a sum over voxels: with voxels twice as large it has half as many terms.
    fine = form_images(blobs.scaled(2).volume(64), pose, ctf, PIXEL_SIZE / 2)
    coarse = form_images(blobs.volume(32), pose, ctf, PIXEL_SIZE)
    assert error(fourier_crop(fine, 32), 2 * coarse) < 0.02


def test_the_gradient_with_respect_to_the_shift_is_that_of_finite_differences(ctf: CTF, pose: Pose) -> None:
    volume = torch.randn(9, 9, 9, dtype=torch.float64)

    def images(shift: Tensor) -> Tensor:
        return form_images(volume, Pose(pose.rotation[:2], shift), ctf[:2], PIXEL_SIZE)

    assert torch.autograd.gradcheck(images, (pose.shift[:2].clone().requires_grad_(),))


def test_the_gradient_reaches_volume_rotation_shift_and_lens(pose: Pose, ctf: CTF) -> None:
    leaves = [torch.randn(8, 8, 8, dtype=torch.float64), pose.rotation, pose.shift, ctf.defocus_u]
    volume, rotation, shift, defocus = (leaf.clone().requires_grad_() for leaf in leaves)
    lens = make_ctf(defocus, ctf.defocus_v)
    form_images(volume, Pose(rotation, shift), lens, PIXEL_SIZE).square().sum().backward()
    for leaf in (volume, rotation, shift, defocus):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert leaf.grad.abs().sum() > 0


def test_snr_is_the_ratio_of_variances_over_the_whole_box_in_decibels() -> None:
    clean = torch.tensor([[[0.0, 2.0], [0.0, 2.0]]])
    noise = torch.tensor([[[0.0, 20.0], [0.0, 20.0]]])
    assert signal_to_noise_db(clean, noise) == pytest.approx(-20)
    assert signal_to_noise_db(clean + 7, noise - 3) == pytest.approx(-20)  # of variances, not of powers


def test_the_same_particle_in_a_larger_box_has_a_lower_snr(blobs: "Blobs", generator: torch.Generator) -> None:
    clean = blobs.projections(torch.eye(3)[None], 32)
    noise = torch.randn(1, 64, 64, generator=generator)
    wide = torch.nn.functional.pad(clean, (16, 16, 16, 16))
    assert signal_to_noise_db(wide, noise) < signal_to_noise_db(clean, noise[:, :32, :32]) - 3


@pytest.mark.parametrize("snr_db", [-20.0, -5.2, 0.0, 10.0])
def test_noise_of_the_asked_strength_gives_the_asked_snr(snr_db: float, generator: torch.Generator) -> None:
    clean = torch.rand(50, 32, 32, generator=generator) + 4
    noise = noise_std_for_snr(clean, snr_db) * torch.randn(50, 32, 32, generator=generator)
    assert signal_to_noise_db(clean, noise) == pytest.approx(snr_db, abs=0.1)
    assert noise_std_for_snr(clean, snr_db) ** 2 == pytest.approx(
        float(clean.var()) / math.pow(10, snr_db / 10), rel=1e-4
    )
