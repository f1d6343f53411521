"""Two half maps: turned onto each other, compared, averaged by what they agree on, written with their voxel size."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from frazil.data import pseudo_protein
from frazil.geometry import (
    fourier_crop,
    fourier_transform,
    frequency_grid,
    inverse_fourier_transform,
    rotate_volume,
    shell_average,
    shell_index,
    soft_sphere,
    symmetry_rotations,
)
from frazil.io import read_map
from frazil.metrics import (
    FSC,
    HalfMaps,
    combine_half_maps,
    compare_half_maps,
    fourier_shell_correlation,
    mirror_volume,
    write_half_maps,
)

BOXES = [16, 17]
BOX, PIXEL_SIZE = 24, 8.0


def curve(values: list[float] | Tensor, box: int) -> FSC:
    """An FSC with the given values from shell 0 on; what is not given is 1."""
    correlation = torch.ones(box // 2 + 1)
    correlation[: len(values)] = torch.as_tensor(values)
    return FSC(torch.arange(box // 2 + 1) / (4.0 * box), correlation, pixel_size=4.0)


def filtered(volume: Tensor, keep: Tensor) -> Tensor:
    """Volume with each shell multiplied by its value in `keep`; what lies beyond the last shell is dropped."""
    box = volume.shape[-1]
    weight = torch.cat([keep, torch.zeros(1)])[shell_index(box, 3).clamp(max=box // 2 + 1)]
    return inverse_fourier_transform(fourier_transform(volume, 3) * weight, box, 3)


@pytest.mark.parametrize("box", BOXES)
def test_half_maps_that_agree_everywhere_are_averaged(box: int) -> None:
    first, second = torch.randn(box, box, box), torch.randn(box, box, box)
    combined = combine_half_maps(first, second, curve([], box))
    expected = filtered((first + second) / 2, torch.ones(box // 2 + 1))
    torch.testing.assert_close(combined, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("box", BOXES)
def test_each_shell_is_weighted_by_its_expected_correlation_with_the_truth(box: int) -> None:
    correlation = torch.linspace(1.0, 0.2, box // 2 + 1)
    volume = torch.randn(box, box, box)
    combined = combine_half_maps(volume, volume, curve(correlation, box))
    weight = (2 * correlation / (1 + correlation)).sqrt()
    weight[0] = 1
    torch.testing.assert_close(combined, filtered(volume, weight), rtol=0, atol=1e-5)


@pytest.mark.parametrize("box", BOXES)
def test_nothing_is_left_from_the_first_shell_below_0143(box: int) -> None:
    """Also where the curve comes up again: beyond the first crossing agreement is chance."""
    volume = torch.randn(box, box, box)
    combined = combine_half_maps(volume, volume, curve([1, 1, 1, 0.9, 0.14, 0.8], box))
    power = shell_average(fourier_transform(combined, 3).abs().square(), box, 3)
    assert (power[4:] < 1e-8 * power[2]).all()
    assert (power[:4] > 0.5 * shell_average(fourier_transform(volume, 3).abs().square(), box, 3)[:4]).all()


def test_a_correlation_of_exactly_0143_is_kept() -> None:
    volume = torch.randn(16, 16, 16)
    threshold = float(torch.tensor(0.143))
    combined = combine_half_maps(volume, volume, curve([1, 1, 1, threshold], 16))
    power = shell_average(fourier_transform(combined, 3).abs().square(), 16, 3)
    assert power[3] > 0
    assert power[4] > 0


def test_the_mean_density_is_kept_whatever_the_curve_says_of_it() -> None:
    first, second = 2 + torch.randn(16, 16, 16), 4 + torch.randn(16, 16, 16)
    combined = combine_half_maps(first, second, curve([-1.0, 0.0], 16))
    assert float(combined.mean()) == pytest.approx(float((first + second).mean()) / 2, rel=1e-4)
    assert float(combined.std()) < 1e-5


def test_negative_and_excessive_correlations_stay_finite() -> None:
    """A curve corrected for the mask can leave -1 ... 1."""
    volume = torch.randn(16, 16, 16)
    for values in ([1, 1.2, -0.5, -1.0], [1, -1.0], [1, 1, -3.0]):
        assert bool(torch.isfinite(combine_half_maps(volume, volume, curve(values, 16))).all())


def test_the_combination_is_nearer_the_truth_than_either_half_and_than_their_mean() -> None:
    """For white noise on a specimen whose power falls with frequency."""
    box = 32
    generator = torch.Generator().manual_seed(0)
    fall = torch.exp(-frequency_grid(box, 1.0, 3).norm(dim=-1).square() * 60)
    white = torch.randn(box, box, box, generator=generator)
    truth = inverse_fourier_transform(fourier_transform(white, 3) * fall, box, 3)
    halves = [truth + 0.5 * truth.std() * torch.randn(truth.shape, generator=generator) for _ in range(2)]
    fsc = fourier_shell_correlation(*halves, 4.0)
    combined = combine_half_maps(*halves, fsc)

    def error(volume: Tensor) -> float:
        return float((volume - truth).norm() / truth.norm())

    assert error(combined) < 0.8 * error((halves[0] + halves[1]) / 2)
    assert error(combined) < 0.6 * min(map(error, halves))


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


def test_maps_that_have_nothing_in_common_align_no_better_than_chance(maps: HalfMaps) -> None:
    assert maps.by_chance is not None
    assert maps.by_chance < 0.4
    ball, generator = soft_sphere(BOX, 0.3 * BOX, 2.0), torch.Generator().manual_seed(4)
    first, second = (ball * torch.randn(ball.shape, generator=generator) for _ in range(2))
    apart = compare_half_maps(first, second, PIXEL_SIZE, "C1")
    assert apart.by_chance is not None
    assert apart.by_chance > 0.6


def test_maps_in_one_frame_are_left_as_they_are() -> None:
    first, second = halves(0.3)
    compared = compare_half_maps(first, second, PIXEL_SIZE)
    assert torch.equal(compared.second, second)
    assert compared.by_chance is None


def test_the_mean_is_of_the_aligned_halves_and_the_resolution_of_the_corrected_curve(maps: HalfMaps) -> None:
    truth = halves(0.0)[0]
    assert fourier_shell_correlation(maps.mean, truth, PIXEL_SIZE).resolution(0.5) < 25
    assert maps.resolution == maps.fsc.corrected.resolution(0.143)


def test_the_finest_detail_of_half_maps_is_the_last_shell_that_holds_anything(maps: HalfMaps) -> None:
    assert maps.finest == pytest.approx(2 * PIXEL_SIZE)
    cut = inverse_fourier_transform(fourier_transform(maps.first, 3) * (shell_index(BOX, 3) <= 8), BOX, 3)
    assert replace(maps, first=cut).finest == pytest.approx(BOX * PIXEL_SIZE / 8)
    assert replace(maps, first=torch.zeros(BOX, BOX, BOX)).finest == pytest.approx(2 * PIXEL_SIZE)


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


@pytest.mark.slow
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
