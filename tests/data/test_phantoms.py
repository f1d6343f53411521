"""Phantoms: what is said of them in closed form holds on their grids."""

import pytest
import torch

from frazil.data.phantoms import (
    GaussianBlobs,
    blob_projections,
    blob_volume,
    pseudo_protein,
    pseudo_protein_blobs,
    random_blobs,
)
from frazil.geometry import random_rotations, rotate_volume, symmetry_rotations


@pytest.mark.parametrize("box", [32, 33])
def test_the_volume_of_blobs_is_their_sum_at_every_voxel(box: int) -> None:
    blobs = GaussianBlobs(
        torch.tensor([[5.0, -8.0, 11.0], [-4.0, 2.0, -9.0]]), torch.tensor([4.0, 5.0]), torch.tensor([3.0, 1.0])
    )
    axis = (torch.arange(box) - box // 2) * 2.0
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    exact = torch.zeros(box, box, box)
    for (cx, cy, cz), sigma, weight in zip(blobs.centres, blobs.sigmas, blobs.weights, strict=True):
        squared = (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2
        exact += weight * torch.exp(-squared / (2 * sigma**2)) / (2 * torch.pi * sigma**2) ** 1.5
    assert (blob_volume(blobs, box, 2.0) - exact).abs().max() < 2e-4 * exact.max()


@pytest.mark.parametrize("box", [40, 41])
def test_projections_of_blobs_are_the_sums_of_the_turned_blobs_along_the_beam(box: int) -> None:
    generator = torch.Generator().manual_seed(4)
    blobs = random_blobs(6, 30.0, generator)
    rotation = random_rotations(3, generator)
    images = blob_projections(blobs, rotation, torch.zeros(3, 2), box, 2.0)
    for turn, image in zip(rotation, images, strict=True):
        turned = GaussianBlobs(blobs.centres @ turn.T, blobs.sigmas, blobs.weights)
        summed = blob_volume(turned, box, 2.0).sum(0)
        assert (summed - image).norm() < 1e-3 * image.norm()


def test_a_shift_moves_the_projection_of_a_blob_along_x_and_then_y() -> None:
    blob = GaussianBlobs(torch.zeros(1, 3), torch.tensor([5.0]), torch.ones(1))
    image = blob_projections(blob, torch.eye(3)[None], torch.tensor([[8.0, -4.0]]), 32, 2.0)[0]
    assert divmod(int(image.argmax()), 32) == (16 - 2, 16 + 4)


def test_random_blobs_lie_within_their_radius() -> None:
    blobs = random_blobs(500, 40.0, torch.Generator().manual_seed(5))
    assert blobs.centres.norm(dim=-1).max() < 30
    assert blobs.radius < 1.1 * 40


@pytest.mark.parametrize("seed", range(4))
def test_a_pseudo_protein_is_a_globule_of_ninety_to_a_hundred_and_ten_angstrom(seed: int) -> None:
    blobs = pseudo_protein_blobs(seed)
    length = torch.cdist(blobs.centres, blobs.centres).max().item()
    assert 90 < length < 115
    assert blobs.radius + 0.03 * 192 < 96
    assert (blobs.weights[:, None] * blobs.centres).sum(0).abs().max() < 1
    thin, _, long = torch.linalg.eigvalsh(blobs.centres.T.cov(aweights=blobs.weights))
    assert 0.15 < thin / long < 0.75  # neither a sphere nor a rod


def test_a_pseudo_protein_has_no_symmetry() -> None:
    volume = pseudo_protein(32, 6.0)
    for name in ("C2", "C3", "D2"):
        for rotation in symmetry_rotations(name)[1:]:
            turned = rotate_volume(volume, rotation)
            assert torch.corrcoef(torch.stack([volume.flatten(), turned.flatten()]))[0, 1] < 0.8


def test_a_pseudo_protein_has_detail_down_to_five_angstrom() -> None:
    fine = pseudo_protein(96, 1.5, resolution=5.0)
    coarse = pseudo_protein(96, 1.5, resolution=10.0)
    assert (fine - coarse).norm() > 0.25 * fine.norm()  # of 2cg9, a real chaperone: 0.29


def test_the_seed_alone_decides_the_pseudo_protein() -> None:
    first, again, other = (pseudo_protein_blobs(seed).centres for seed in (2, 2, 3))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)
