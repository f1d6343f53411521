from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from frazil.geometry import (
    asymmetric_unit,
    fourier_crop,
    random_rotations,
    rotation_angle,
    rotation_grid,
    soft_sphere,
    symmetry_rotations,
)
from frazil.io import Map, read_map
from frazil.metrics import (
    Alignment,
    align,
    apply_alignment,
    fourier_shell_correlation,
    mirror_volume,
    move_volume,
    refine_alignment,
    rotation_distance,
    truth_fsc,
)

Blobs = Callable[..., Tensor]
Specimen = Callable[[int], tuple[Tensor, Tensor]]
PIXEL_SIZE = 3.0


@dataclass(frozen=True)
class Pair:
    """A map and its reference, which is the map mirrored where told, turned, and moved."""

    moving: Tensor
    reference: Tensor
    truth: Alignment


@pytest.fixture
def pair(blobs: Blobs, specimen: Specimen) -> Callable[[int, bool, float, int], Pair]:
    def build(box: int, mirrored: bool, noise: float, seed: int) -> Pair:
        generator = torch.Generator().manual_seed(seed)
        points, weights = specimen(box)
        rotation = random_rotations(1, generator)[0]
        shift = (torch.rand(3, generator=generator) - 0.5) * 0.25 * box
        hand = torch.tensor([1.0, 1.0, -1.0 if mirrored else 1.0])
        volumes = [
            blobs(points, weights, box, 1.3),
            blobs(points * hand @ rotation.T + shift, weights, box, 1.3),
        ]
        for volume in volumes:
            volume += noise * volume.std() * torch.randn(volume.shape, generator=generator)
        return Pair(*volumes, Alignment(rotation, shift * PIXEL_SIZE, mirrored, 1.0))

    return build


def assert_found(found: Alignment, truth: Alignment, degrees: float = 1.0, angstrom: float = 0.5 * PIXEL_SIZE) -> None:
    assert found.mirrored == truth.mirrored
    assert rotation_distance(found.rotation, truth.rotation) < degrees
    assert float((found.shift - truth.shift).norm()) < angstrom


@pytest.mark.parametrize(
    ("box", "mirrored", "noise", "seed"),
    [(24, False, 0.0, 1), (25, True, 0.0, 2), (32, True, 0.5, 3), (33, False, 0.5, 4)],
)
def test_a_turned_moved_and_mirrored_copy_is_found_to_one_degree(
    pair: Callable[..., Pair], box: int, mirrored: bool, noise: float, seed: int
) -> None:
    made = pair(box, mirrored, noise, seed)
    assert_found(align(made.moving, made.reference, PIXEL_SIZE), made.truth)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
# The noise itself leaves an error of about half a degree (the Cramer-Rao bound) in each of these.
@pytest.mark.parametrize(("box", "noise"), [(24, 0.2), (32, 0.5), (33, 0.5), (48, 1.0)])
def test_alignment_does_not_fail_once_in_many(pair: Callable[..., Pair], box: int, noise: float, seed: int) -> None:
    made = pair(box, seed % 2 == 0, noise, seed)
    assert_found(align(made.moving, made.reference, PIXEL_SIZE), made.truth)


@pytest.mark.parametrize("box", [24, 25])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_alignment_applied_gives_the_reference(pair: Callable[..., Pair], box: int, mirrored: bool) -> None:
    made = pair(box, mirrored, 0.0, 6)
    moved = apply_alignment(made.moving, made.truth, PIXEL_SIZE)
    assert float((moved - made.reference).norm() / made.reference.norm()) < 0.02
    apart = fourier_shell_correlation(made.moving, made.reference, PIXEL_SIZE)
    together = fourier_shell_correlation(moved, made.reference, PIXEL_SIZE)
    assert together.resolution(0.5) < 0.5 * apart.resolution(0.5)


def test_a_reconstruction_is_held_against_the_truth_on_whatever_grid_it_is(pair: Callable[..., Pair]) -> None:
    maps = pair(32, True, 0.0, 4)
    coarser = Map(fourier_crop(maps.moving, 24, 3), PIXEL_SIZE * 32 / 24)
    assert truth_fsc(coarser, Map(maps.reference, PIXEL_SIZE)).resolution(0.9) < 2.2 * coarser.pixel_size


@pytest.mark.parametrize("mirrored", [False, True])
def test_refinement_from_nearby_arrives_at_the_same_place(pair: Callable[..., Pair], mirrored: bool) -> None:
    made = pair(32, mirrored, 0.5, 7)
    nudge = random_rotations(1, torch.Generator().manual_seed(1))[0]
    axis = torch.linalg.eig(nudge)[1][:, torch.linalg.eig(nudge)[0].real.argmax()].real
    cross = torch.linalg.cross(torch.eye(3), axis.expand(3, 3))
    near = torch.matrix_exp(torch.deg2rad(torch.tensor(8.0)) * cross) @ made.truth.rotation
    assert rotation_distance(near, made.truth.rotation) == pytest.approx(8.0, abs=0.1)
    start = Alignment(near, made.truth.shift + PIXEL_SIZE, mirrored, 0.0)
    assert_found(refine_alignment(made.moving, made.reference, PIXEL_SIZE, start), made.truth)


def test_identical_maps_need_no_motion(pair: Callable[..., Pair]) -> None:
    moving = pair(24, False, 0.0, 1).moving
    found = align(moving, moving, PIXEL_SIZE)
    assert_found(found, Alignment(torch.eye(3), torch.zeros(3), False, 1.0), degrees=0.1, angstrom=0.05)
    assert found.score == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("symmetry", "seed"), [("C4", 1), ("D2", 2), ("O", 3)])
def test_a_symmetric_map_is_found_modulo_its_group(blobs: Blobs, symmetry: str, seed: int) -> None:
    box, generator = 28, torch.Generator().manual_seed(seed)
    group = symmetry_rotations(symmetry)
    unit = torch.randn(4, 3, generator=generator) * 0.15 * box
    points = torch.einsum("gij,nj->gni", group, unit.clamp(-0.22 * box, 0.22 * box)).reshape(-1, 3)
    weights = torch.tensor([1.0, 0.6, 1.4, 0.9]).repeat(len(group))
    rotation, shift = random_rotations(1, generator)[0], torch.tensor([1.5, -0.7, 2.2])
    mirrored = symmetry == "D2"
    reference = blobs(points, weights, box, 1.3)
    hand = torch.tensor([1.0, 1.0, -1.0 if mirrored else 1.0])
    moving = blobs(((points - shift) @ rotation) * hand, weights, box, 1.3)
    found = align(moving, reference, PIXEL_SIZE, symmetry)
    assert found.mirrored == mirrored
    assert rotation_distance(found.rotation, rotation, symmetry) < 1.0
    angles = rotation_angle(group @ found.rotation, torch.eye(3).expand(len(group), 3, 3))
    assert float(angles[0]) <= float(angles.min()) + 1e-2
    moved = apply_alignment(moving, found, PIXEL_SIZE)
    assert float((moved - reference).norm() / reference.norm()) < 0.03


@pytest.mark.parametrize("symmetry", ["C1", "C7", "D3", "T", "O", "I2"])
def test_the_rotations_searched_stand_for_all_of_them(symmetry: str) -> None:
    group, grid = symmetry_rotations(symmetry), rotation_grid(2)
    kept = asymmetric_unit(grid, group)
    wanted = random_rotations(200, torch.Generator().manual_seed(0))
    trace = torch.einsum("gij,njk,mik->gnm", group, wanted, kept)
    nearest = torch.rad2deg(torch.acos(((trace.amax((0, 2)) - 1) / 2).clamp(-1, 1)))
    assert float(nearest.max()) < 15
    assert len(kept) < 4 * len(grid) / len(group) or len(group) == 1


def test_the_distance_of_rotations_knows_the_group() -> None:
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert rotation_distance(torch.eye(3), quarter) == pytest.approx(90, abs=0.01)
    assert rotation_distance(torch.eye(3), quarter, "C4") == pytest.approx(0, abs=0.05)


def test_an_empty_map_is_aligned_with_no_score_and_no_error(pair: Callable[..., Pair]) -> None:
    reference = pair(16, False, 0.0, 1).reference
    found = align(torch.zeros_like(reference), reference, PIXEL_SIZE)
    assert found.score == 0.0
    assert bool(torch.isfinite(found.rotation).all())


def test_maps_with_nan_are_refused() -> None:
    volume = torch.ones(16, 16, 16)
    with pytest.raises(ValueError, match="the moving map cannot be aligned: it holds values that are not finite"):
        align(volume * float("nan"), volume, PIXEL_SIZE)


def test_an_unknown_symmetry_is_refused() -> None:
    volume = torch.randn(16, 16, 16)
    with pytest.raises(ValueError, match="unknown symmetry 'K9'"):
        align(volume, volume, PIXEL_SIZE, "K9")


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("box", [32, 47, 64])
@pytest.mark.parametrize("name", ["4v7r", "4cr2", "2cg9", "3j9i"])
def test_real_structures_align_to_noisy_mirrored_copies(shared_data: Path, name: str, box: int) -> None:
    source = read_map(shared_data / "maps_5A" / f"{name}.mrc")
    volume, pixel_size = fourier_crop(source.volume, box, 3), source.pixel_size * len(source.volume) / box
    generator = torch.Generator().manual_seed(box)
    rotation = random_rotations(1, generator)[0]
    shift = torch.randn(3, generator=generator) * 0.05 * box
    turned = move_volume(volume, rotation.T, -rotation.T @ shift)
    mask = soft_sphere(box, 0.42 * box, 0.08 * box)
    moving, reference = (
        (clean + 0.5 * volume.std() * torch.randn(volume.shape, generator=generator)) * mask
        for clean in (mirror_volume(turned), volume)
    )
    found = align(moving, reference, pixel_size)
    assert found.mirrored
    moved = apply_alignment(mirror_volume(turned), found, pixel_size)
    truth = apply_alignment(mirror_volume(turned), Alignment(rotation, shift * pixel_size, True, 1.0), pixel_size)
    fsc = fourier_shell_correlation(moved, volume, pixel_size, mask)
    best = fourier_shell_correlation(truth, volume, pixel_size, mask)
    # Two of these have symmetry, about axes of their own: what counts is where the map comes to lie.
    assert float((best.correlation - fsc.correlation)[: int(0.4 * box)].max()) < 0.05
    if name in ("4v7r", "4cr2"):
        assert_found(found, Alignment(rotation, shift * pixel_size, True, 1.0), angstrom=0.2 * pixel_size)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_alignment_on_the_gpu_is_that_of_the_cpu(pair: Callable[..., Pair]) -> None:
    made = pair(32, True, 0.5, 3)
    moving, reference = made.moving.cuda(), made.reference.cuda()
    found = align(moving, reference, PIXEL_SIZE)
    assert_found(found, made.truth)
    assert_found(refine_alignment(moving, reference, PIXEL_SIZE, found), made.truth)
    assert apply_alignment(moving, found, PIXEL_SIZE).is_cuda
