"""The pose search finds the poses that images were made with, and its likelihood is that of the image model."""

import math
from functools import partial
from itertools import pairwise

import pytest
import roma
import torch
from torch import Tensor

from frazil.data import pseudo_protein
from frazil.geometry import Pose, fourier_transform, half_turn_grid, random_rotations, rotation_angle
from frazil.inference import (
    COARSE_ORDER,
    Evidence,
    FourierDisc,
    Observed,
    PosePosterior,
    PoseSearch,
    SearchLevel,
    pose_search,
    search_levels,
)
from frazil.physics import form_images, sample_slices, to_fourier_volume

BOX, PIXEL_SIZE, RADIUS = 24, 8.0, 7.0
COUNT = 12


@pytest.fixture(scope="module")
def volume() -> Tensor:
    return pseudo_protein(BOX, PIXEL_SIZE)


@pytest.fixture(scope="module")
def pose() -> Pose:
    generator = torch.Generator().manual_seed(1)
    shift = (torch.rand(COUNT, 2, generator=generator) - 0.5) * 2 * PIXEL_SIZE
    return Pose(random_rotations(COUNT, generator), shift)


def evidence(images: Tensor, disc: FourierDisc, noise_std: float) -> Evidence:
    """Of images without a lens, in white noise."""
    spectrum = fourier_transform(images)[:, disc.inside]
    noise = torch.full((BOX // 2 + 1,), (noise_std * BOX) ** 2)
    return Evidence.of(Observed(spectrum, torch.ones_like(spectrum.real)), disc, noise)


def search(volume: Tensor, disc: FourierDisc, scaled: bool = True) -> PoseSearch:
    levels = search_levels(BOX, int(disc.shell.max()), RADIUS, max_shift=1.5)
    slices = partial(sample_slices, to_fourier_volume(volume))
    return PoseSearch(slices, half_turn_grid(COARSE_ORDER), disc, levels, scaled)


def test_levels_get_finer_until_they_tell_the_last_shell(volume: Tensor) -> None:
    levels = search_levels(64, 31, 24.0, 2.0, keep=(8, 4))
    assert levels[-1].last_shell == 31
    for before, after in pairwise(levels):
        assert after.spacing_deg == before.spacing_deg / 2
        assert after.last_shell >= before.last_shell
    assert [level.keep for level in levels] == [8] + [4] * (len(levels) - 1)
    assert all(float(level.shifts.norm(dim=1).max()) <= 2.0 * 1.1 for level in levels)
    waves = [level.last_shell * 24 / 64 * math.radians(level.spacing_deg) for level in levels]
    assert max(waves) < 0.55
    assert waves[-1] < 0.4
    coarser = search_levels(64, 31, 24.0, 2.0, coarse_order=COARSE_ORDER - 1)
    assert [level.spacing_deg for level in coarser] == [2 * levels[0].spacing_deg, *(x.spacing_deg for x in levels)]


@pytest.mark.parametrize("scaled", [True, False])
def test_poses_are_found_to_the_finest_spacing(volume: Tensor, pose: Pose, scaled: bool) -> None:
    images = form_images(volume, pose, None, PIXEL_SIZE)
    noise = 0.1 * float(images.std())
    noisy = images + noise * torch.randn(images.shape, generator=torch.Generator().manual_seed(2))
    disc = FourierDisc.of(11, like=images)
    contrast = 1.0 if scaled else 3.0  # unknown to the search
    posterior = search(contrast * volume, disc, scaled=scaled)(evidence(noisy, disc, noise))
    found = posterior.best(PIXEL_SIZE)
    errors = rotation_angle(found.rotation, pose.rotation)
    assert float(errors.median()) < 3  # of a grid 3.75 degrees apart
    assert float(errors.max()) < 6
    assert float((found.shift - pose.shift).norm(dim=1).max()) < 0.4 * PIXEL_SIZE
    torch.testing.assert_close(posterior.weight.sum((1, 2)), torch.ones(COUNT))


def test_the_best_pose_is_the_mean_around_the_peak(pose: Pose) -> None:
    """Three rotations a spacing apart, and a fourth on the other side that is nearly as likely."""
    axis = torch.tensor([[0.0, 0.0, math.radians(2.0)]])
    turns = roma.rotvec_to_rotmat(torch.cat([0 * axis, axis, -axis, 90 * axis]))
    weight = torch.tensor([0.4, 0.15, 0.15, 0.3])[:, None] * torch.tensor([0.75, 0.25])
    posterior = PosePosterior(
        rotation=(turns @ pose.rotation[:1])[None],
        shift=torch.tensor([[[0.0, 0.0], [1.0, 0.0]]]),
        weight=weight[None],
        score=torch.zeros(1),
        slices=torch.zeros(1, 4, 0, dtype=torch.complex64),
        spacing_deg=2.0,
    )
    best = posterior.best(PIXEL_SIZE)
    assert float(rotation_angle(best.rotation, pose.rotation[:1])) < 1e-2
    torch.testing.assert_close(best.shift, torch.tensor([[0.25 * PIXEL_SIZE, 0.0]]))


def test_the_score_is_the_likelihood_of_the_image_model(volume: Tensor, pose: Pose) -> None:
    """-|y - S P x|^2 / 2 sigma^2 over all pixels, against that of noise alone, for the best of all poses tried."""
    disc = FourierDisc.of(11, like=volume)
    truth = form_images(volume, pose, None, PIXEL_SIZE, margin=1)
    noise = 0.5 * float(truth.std())
    images = truth + noise * torch.randn(truth.shape, generator=torch.Generator().manual_seed(3))
    at_truth = SearchLevel(7.5, 11, 1, torch.zeros(1, 2))
    centred = form_images(volume, Pose(pose.rotation, 0 * pose.shift), None, PIXEL_SIZE, margin=1)
    slices = partial(sample_slices, to_fourier_volume(volume))
    posterior = PoseSearch(slices, pose.rotation, disc, [at_truth])(evidence(images, disc, noise))

    def within(image: Tensor) -> Tensor:
        """Power of the frequencies that are compared, as a sum over pixels."""
        spectrum = fourier_transform(image)[..., disc.inside]
        return (spectrum.abs().square() * disc.weight).sum(-1) / BOX**2

    gain = (within(images)[:, None] - within(images[:, None] - centred)) / (2 * noise**2)
    torch.testing.assert_close(posterior.score, gain.amax(1), rtol=1e-3, atol=1e-2)
    best = gain.argmax(1)  # better, too, than all of them after half a turn
    assert torch.equal(posterior.rotation[:, 0], pose.rotation[best])


@pytest.mark.slow
def test_images_may_have_a_reference_each(volume: Tensor, pose: Pose) -> None:
    """Every other image is of the mirror image; told so, the search finds all poses alike."""
    spectra = [to_fourier_volume(volume), to_fourier_volume(volume.flip(2).roll(1, 2))]
    images = torch.cat([form_images(spectra[row % 2], pose[row : row + 1], None, PIXEL_SIZE) for row in range(COUNT)])
    disc = FourierDisc.of(11, like=images)

    def slices(rotation: Tensor, frequency: Tensor) -> Tensor:
        every = rotation.expand(COUNT, *rotation.shape[1:])
        return torch.stack([sample_slices(spectra[row % 2], every[row], frequency) for row in range(COUNT)])

    levels = search_levels(BOX, 11, RADIUS, max_shift=1.5)
    posterior = PoseSearch(slices, half_turn_grid(3), disc, levels)(evidence(images, disc, 0.1 * float(images.std())))
    assert float(rotation_angle(posterior.best(PIXEL_SIZE).rotation, pose.rotation).max()) < 6


def test_noise_leaves_the_pose_open(volume: Tensor) -> None:
    noise = torch.randn(COUNT, BOX, BOX, generator=torch.Generator().manual_seed(4))
    disc = FourierDisc.of(6, like=noise)
    faint = 1e-3 * volume / volume.std()
    posterior = search(faint, disc)(evidence(noise, disc, 1.0))
    assert float(posterior.weight.amax()) < 0.05


def test_no_gradient_flows_through_a_search(volume: Tensor, pose: Pose) -> None:
    """A decoder whose slices are searched learns from the poses that were found, not from how."""
    disc = FourierDisc.of(6, like=volume)
    own = evidence(form_images(volume, pose, None, PIXEL_SIZE), disc, 1.0)
    wanting = search(volume.clone().requires_grad_(), disc)(own)
    assert not wanting.weight.requires_grad
    assert torch.equal(wanting.weight, search(volume, disc)(own).weight)


def test_as_many_images_are_searched_at_once_as_memory_has_room_for_their_slices(
    volume: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for = search(volume, FourierDisc.of(11, like=volume))
    assert looked_for.at_once() > 1
    monkeypatch.setattr(pose_search, "_most_numbers", lambda device: 1)
    assert looked_for.at_once() == 1
