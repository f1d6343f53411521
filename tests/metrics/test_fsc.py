import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from frazil.geometry import (
    fourier_transform,
    inverse_fourier_transform,
    shell_average,
    shell_index,
    soft_sphere,
)
from frazil.metrics import FSC, fourier_shell_correlation, half_map_fsc, randomise_phases, write_fsc

BOXES = pytest.mark.parametrize("box", [24, 25])


def noise(box: int, seed: int) -> torch.Tensor:
    return torch.randn(box, box, box, generator=torch.Generator().manual_seed(seed))


def coloured(box: int, seed: int, falloff: float) -> torch.Tensor:
    """Noise whose amplitude falls as exp(-falloff shell)."""
    spectrum = fourier_transform(noise(box, seed), 3) * torch.exp(-falloff * shell_index(box, 3).float())
    return inverse_fourier_transform(spectrum, box, 3)


def curve(*correlation: float) -> FSC:
    """A curve of shells 1/100, 2/100 ... 1/angstrom after the one at zero frequency."""
    values = torch.tensor([1.0, *correlation])
    return FSC(torch.arange(len(values)) / 100, values, pixel_size=100 / (2 * len(correlation)))


@BOXES
def test_a_map_agrees_with_itself_in_every_shell(box: int) -> None:
    volume = noise(box, 0)
    fsc = fourier_shell_correlation(volume, 3 * volume, pixel_size=2.0)
    torch.testing.assert_close(fsc.correlation, torch.ones(box // 2 + 1))
    torch.testing.assert_close(fsc.frequency, torch.arange(box // 2 + 1) / (2.0 * box))


@BOXES
def test_the_negative_of_a_map_correlates_minus_one(box: int) -> None:
    volume = noise(box, 0)
    fsc = fourier_shell_correlation(volume, -volume, pixel_size=2.0)
    torch.testing.assert_close(fsc.correlation, -torch.ones(box // 2 + 1))


@BOXES
def test_independent_noise_correlates_by_chance_only(box: int) -> None:
    fsc = fourier_shell_correlation(noise(box, 1), noise(box, 2), pixel_size=1.0)
    shells = torch.arange(3, box // 2 + 1)
    # N = 4 pi k^2 coefficients, half of them independent complex ones: standard deviation 1 / sqrt(N).
    chance = 1 / (4 * torch.pi * shells**2).sqrt()
    assert bool((fsc.correlation[3:].abs() < 4 * chance).all())


@BOXES
@pytest.mark.parametrize("snr", [0.2, 1.0, 5.0])
def test_two_maps_of_one_signal_correlate_as_snr_over_one_plus_snr(box: int, snr: float) -> None:
    curves = []
    for seed in range(0, 12, 3):
        signal, *noises = (coloured(box, seed + part, 0.2) for part in range(3))
        first, second = (signal * snr**0.5 + other for other in noises)
        curves.append(fourier_shell_correlation(first, second, 1.0).correlation[6:])
    assert float(torch.stack(curves).mean()) == pytest.approx(snr / (1 + snr), abs=0.02)


@BOXES
def test_each_shell_is_the_plain_sum_over_the_full_spectrum(box: int) -> None:
    first, second = noise(box, 1), noise(box, 1) + noise(box, 2)
    one, two = (np.fft.fftn(volume.double().numpy()) for volume in (first, second))
    k = np.fft.fftfreq(box, 1 / box)
    shell = np.rint(np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)).astype(int)
    expected = [
        (one[shell == s] * two[shell == s].conj()).sum().real
        / np.sqrt((abs(one[shell == s]) ** 2).sum() * (abs(two[shell == s]) ** 2).sum())
        for s in range(box // 2 + 1)
    ]
    fsc = fourier_shell_correlation(first, second, pixel_size=1.0)
    np.testing.assert_allclose(fsc.correlation.numpy(), expected, atol=1e-6)


@BOXES
def test_the_curve_agrees_with_teamtomos_up_to_its_softer_shells(box: int) -> None:
    library = pytest.importorskip("torch_fourier_shell_correlation")
    signal = coloured(box, 0, 0.3)
    first, second = signal + 0.05 * noise(box, 1), signal + 0.05 * noise(box, 2)
    ours = fourier_shell_correlation(first, second, 1.0).correlation
    theirs = library.fourier_shell_correlation(first, second)
    # Theirs spreads each coefficient over two shells, and its last shell takes the corners of the cube too.
    assert float((ours - theirs)[2:-1].abs().max()) < 0.08


def test_a_mask_multiplies_both_maps() -> None:
    mask = soft_sphere(24, 6.0, 3.0)
    first, second = noise(24, 1), noise(24, 2)
    masked = fourier_shell_correlation(first, second, 1.0, mask)
    torch.testing.assert_close(
        masked.correlation, fourier_shell_correlation(first * mask, second * mask, 1.0).correlation
    )


def test_a_shell_without_power_counts_as_uncorrelated() -> None:
    empty = torch.zeros(16, 16, 16)
    assert bool((fourier_shell_correlation(empty, noise(16, 0), 1.0).correlation == 0).all())


def test_resolution_is_interpolated_in_frequency() -> None:
    # Halfway between shells 2 and 3 of a length of 100 angstrom: 100 / 2.5.
    assert curve(1.0, 0.6, 0.4, 0.0).resolution(0.5) == pytest.approx(40.0)
    assert curve(1.0, 0.9, 0.5, 0.1).resolution(0.143) == pytest.approx(100 / (3 + 0.357 / 0.4), rel=1e-5)


def test_resolution_is_where_the_curve_first_falls_below() -> None:
    assert curve(1.0, 0.4, 0.9, 0.9).resolution(0.5) == pytest.approx(100 / (1 + 0.5 / 0.6))


def test_a_curve_that_never_falls_below_has_the_resolution_of_nyquist() -> None:
    fsc = curve(1.0, 0.9, 0.8, 0.7)
    assert fsc.resolution(0.5) == pytest.approx(25.0)
    assert fsc.resolution(0.5) == pytest.approx(2 * fsc.pixel_size)


def test_a_curve_that_starts_below_has_the_resolution_of_the_box() -> None:
    assert curve(0.1, 0.9, 0.8, 0.7).resolution(0.5) == pytest.approx(100.0)


def test_a_value_on_the_threshold_is_not_below_it() -> None:
    assert curve(1.0, 0.5, 0.5, 0.0).resolution(0.5) == pytest.approx(100 / 3)


@BOXES
def test_randomised_phases_keep_amplitudes_and_low_shells(box: int) -> None:
    volume = coloured(box, 0, 0.1)
    randomised = randomise_phases(volume, 5, torch.Generator().manual_seed(1))
    before, after = fourier_transform(volume.double(), 3), fourier_transform(randomised.double(), 3)
    torch.testing.assert_close(after.abs(), before.abs(), rtol=1e-4, atol=1e-4)
    low = shell_index(box, 3) < 5
    torch.testing.assert_close(after[low], before[low], rtol=1e-4, atol=1e-4)
    fsc = fourier_shell_correlation(volume, randomised, 1.0).correlation
    assert float(fsc[7:].abs().mean()) < 0.1


def test_randomised_phases_follow_the_generator() -> None:
    volume = noise(12, 0)
    same = [randomise_phases(volume, 3, torch.Generator().manual_seed(4)) for _ in range(2)]
    other = randomise_phases(volume, 3, torch.Generator().manual_seed(5))
    assert torch.equal(*same)
    assert not torch.equal(same[0], other)


def test_the_correction_takes_away_what_the_mask_alone_correlates() -> None:
    box, found = 48, []
    mask = soft_sphere(box, 7.0, 3.0)
    for seed in range(0, 12, 2):
        # Noise with a mean inside the mask: the mask's own shape makes even independent noise agree.
        first, second = noise(box, seed) + 0.5, noise(box, seed + 1) + 0.5
        found.append(half_map_fsc(first, second, 1.0, mask, torch.Generator().manual_seed(seed)))
    masked, corrected = (
        torch.stack([getattr(fscs, name).correlation for fscs in found]).mean(0) for name in ("masked", "corrected")
    )
    assert float(masked[3:6].mean()) > 0.5
    assert float(corrected[3:6].mean()) == pytest.approx(0, abs=0.2)
    assert float(corrected[6:].mean()) == pytest.approx(0, abs=0.05)


def test_the_correction_leaves_true_signal_alone() -> None:
    box = 48
    mask = soft_sphere(box, 12.0, 6.0)
    signal = noise(box, 0) * soft_sphere(box, 10.0, 4.0)
    halves = [signal + 0.7 * noise(box, seed) for seed in (1, 2)]
    fscs = half_map_fsc(*halves, 1.0, mask, torch.Generator().manual_seed(0))
    clean = fourier_shell_correlation(halves[0] * mask, signal, 1.0).correlation.square()
    assert float((fscs.corrected.correlation - clean)[6:].abs().mean()) < 0.1
    assert float(fscs.corrected.correlation[6:].mean()) > float(fscs.unmasked.correlation[6:].mean()) + 0.1


def test_the_correction_of_equal_maps_is_the_masked_curve() -> None:
    fscs = half_map_fsc(noise(16, 0), noise(16, 0), 1.0, soft_sphere(16, 5.0, 3.0), torch.Generator().manual_seed(0))
    torch.testing.assert_close(fscs.corrected.correlation, torch.ones(9))


def test_the_corrected_curve_ends_where_the_maps_were_cut() -> None:
    """Beyond there the masked curve is not 0: the mask smears over what the last shells hold."""
    box, last = 24, 8
    mask = soft_sphere(box, 4.0, 3.0)
    inside = shell_index(box, 3) <= last
    maps = [coloured(box, seed=1, falloff=0.0) + 0.3 * noise(box, seed) for seed in (2, 3)]
    cut = [inverse_fourier_transform(fourier_transform(each.float(), 3) * inside, box, 3) for each in maps]
    found = half_map_fsc(*cut, 4.0, mask, torch.Generator().manual_seed(0))
    assert float(found.masked.correlation[last + 2]) > 0.5
    assert not bool(found.corrected.correlation[last + 1 :].any())
    assert found.corrected.resolution(0.143) == pytest.approx(box * 4.0 / last, rel=0.13)


def test_the_table_holds_shell_frequency_resolution_and_every_curve(tmp_path: Path) -> None:
    first = fourier_shell_correlation(noise(16, 0), noise(16, 1), 2.0)
    write_fsc(tmp_path / "fsc.csv", {"half": first, "flat": replace(first, correlation=torch.ones(9))})
    with (tmp_path / "fsc.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["shell", "frequency", "resolution", "half", "flat"]
    assert [int(row["shell"]) for row in rows] == list(range(9))
    assert float(rows[8]["resolution"]) == pytest.approx(4.0)
    assert float(rows[0]["resolution"]) == float("inf")
    assert [float(row["half"]) for row in rows] == pytest.approx(first.correlation.tolist(), abs=1e-6)
    assert not list(tmp_path.glob("*.partial"))


def test_half_maps_of_known_signal_per_shell_give_the_expected_resolution() -> None:
    box, generator = 48, torch.Generator().manual_seed(3)
    shells = shell_index(box, 3).clamp(max=box // 2).float()
    snr = torch.exp(-(shells - 12) / 2)  # 1 at shell 12: FSC 0.5 there
    signal, *noises = (fourier_transform(torch.randn(box, box, box, generator=generator), 3) for _ in range(3))
    first, second = (inverse_fourier_transform(signal * snr.sqrt() + other, box, 3) for other in noises)
    fsc = fourier_shell_correlation(first, second, pixel_size=2.0)
    assert 96 / fsc.resolution(0.5) == pytest.approx(12, abs=0.5)
    expected = shell_average(snr, box, 3) / (1 + shell_average(snr, box, 3))
    assert float((fsc.correlation - expected)[4:].abs().max()) < 0.1


def test_the_area_under_the_curve_of_a_map_with_itself_is_one_and_half_where_it_holds_half_of_the_shells() -> None:
    volume = torch.randn(32, 32, 32, generator=torch.Generator().manual_seed(0))
    assert fourier_shell_correlation(volume, volume, 2.0).area() == pytest.approx(1)
    other = torch.randn(32, 32, 32, generator=torch.Generator().manual_seed(1))
    mixed = torch.where(shell_index(32, 3) <= 8, fourier_transform(volume, 3), fourier_transform(other, 3))
    half = fourier_shell_correlation(volume, inverse_fourier_transform(mixed, 32, 3), 2.0)
    assert half.area() == pytest.approx(0.5, abs=0.03)
