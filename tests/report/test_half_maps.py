"""Two half maps become files: turned onto each other, compared, averaged, with their voxel size."""

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor

from frazil.data import pseudo_protein
from frazil.geometry import fourier_crop, rotate_volume, symmetry_rotations
from frazil.io import read_map
from frazil.metrics import fourier_shell_correlation, mirror_volume
from frazil.report.half_maps import HalfMaps, compare_half_maps, write_half_maps

BOX, PIXEL_SIZE = 24, 8.0


def halves(noise: float) -> tuple[Tensor, Tensor]:
    """The built-in specimen twice, with independent noise in units of its own spread."""
    volume = fourier_crop(pseudo_protein(48, 4.0), BOX, 3)
    generator = torch.Generator().manual_seed(1)
    first, second = (volume + noise * volume.std() * torch.randn(volume.shape, generator=generator) for _ in range(2))
    return first, second


@pytest.fixture(scope="module")
def maps() -> HalfMaps:
    """The second half turned by 90 degrees and of the other hand, as an independent reconstruction may be."""
    first, second = halves(0.3)
    moved = rotate_volume(mirror_volume(second), symmetry_rotations("C4")[1])
    return compare_half_maps(first, moved, PIXEL_SIZE, "C1")


def test_the_second_half_map_is_brought_onto_the_first_over_both_hands(maps: HalfMaps) -> None:
    first, second = halves(0.3)
    assert torch.equal(maps.first, first)
    aligned = fourier_shell_correlation(maps.first, maps.second, PIXEL_SIZE)
    direct = fourier_shell_correlation(first, second, PIXEL_SIZE)
    assert aligned.resolution(0.5) < 1.2 * direct.resolution(0.5)


def test_the_mean_is_of_the_aligned_halves_and_the_resolution_of_the_corrected_curve(maps: HalfMaps) -> None:
    truth = halves(0.0)[0]
    assert fourier_shell_correlation(maps.mean, truth, PIXEL_SIZE).resolution(0.5) < 25
    assert maps.resolution == maps.fsc.corrected.resolution(0.143)


def test_the_files_hold_the_maps_with_their_voxel_size(maps: HalfMaps, tmp_path: Path) -> None:
    write_half_maps(tmp_path, maps)
    for name, volume in (("half1", maps.first), ("half2", maps.second), ("map", maps.mean)):
        written = read_map(tmp_path / f"{name}.mrc")
        assert written.pixel_size == pytest.approx(PIXEL_SIZE)
        assert torch.equal(written.volume, volume)
    rows = list(csv.DictReader((tmp_path / "fsc.csv").read_text().splitlines()))
    assert list(rows[0]) == ["shell", "frequency", "resolution", "unmasked", "masked", "randomised", "corrected"]
    assert len(rows) == BOX // 2 + 1
    corrected = torch.tensor([float(row["corrected"]) for row in rows])
    torch.testing.assert_close(corrected, maps.fsc.corrected.correlation, rtol=0, atol=1e-6)


def test_half_maps_of_pure_noise_are_compared_without_a_mask() -> None:
    generator = torch.Generator().manual_seed(3)
    first, second = (torch.randn(16, 16, 16, generator=generator) for _ in range(2))
    maps = compare_half_maps(first, second, PIXEL_SIZE, "C1")
    torch.testing.assert_close(maps.fsc.masked.correlation, maps.fsc.unmasked.correlation)
    assert bool(torch.isfinite(maps.mean).all())
    assert maps.resolution > 2.5 * PIXEL_SIZE
    again = compare_half_maps(first, second, PIXEL_SIZE, "C1")
    assert torch.equal(again.mean, maps.mean)
    assert torch.equal(again.fsc.corrected.correlation, maps.fsc.corrected.correlation)
