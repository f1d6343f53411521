"""The priors have the distributions they promise, and nothing but the generator decides what is drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch

from frazil.geometry import rotation_to_euler
from frazil.physics.priors import (
    CTFRanges,
    CTFTable,
    GaussianEulerRotations,
    GaussianShifts,
    ImagingPrior,
    RotationPrior,
    ShiftPrior,
    TriangularShifts,
    UniformRotations,
    UniformShifts,
    ctf_from_table,
)

COUNT = 20_000


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_uniform_views_have_a_uniform_cosine_of_their_tilt(generator: torch.Generator) -> None:
    rotation = UniformRotations().sample(COUNT, generator)
    cosine = rotation[:, 2, 2].sort().values
    expected = torch.linspace(-1, 1, COUNT)
    assert (cosine - expected).abs().max() < 2 * 1.6 / COUNT**0.5  # Kolmogorov's bound at 1 %


@pytest.mark.parametrize("variance", [2.0, 3.0])
def test_gaussian_euler_angles_have_the_papers_covariance(variance: float, generator: torch.Generator) -> None:
    rotation = GaussianEulerRotations(variance).sample(COUNT, generator)
    # E cos(angle) = exp(-variance / 2), whatever the angles are wrapped to; tilt -t at rot r is t at r + 180.
    assert rotation[:, 2, 2].mean().item() == pytest.approx(np.exp(-2 / 2), abs=0.02)
    angles = torch.deg2rad(rotation_to_euler(rotation))
    turned = torch.cos(2 * angles[:, 0]).mean().item(), torch.cos(2 * angles[:, 2]).mean().item()
    assert turned == pytest.approx((np.exp(-2 * variance), np.exp(-2 * 1)), abs=0.02)


@pytest.mark.parametrize(
    ("prior", "deviation", "maximum"),
    [
        (UniformShifts(3.0, 200.0), 6 / 3**0.5, 6.0),
        (TriangularShifts(3.0, 200.0), 6 / 6**0.5, 6.0),
        (GaussianShifts(3.0, 200.0), 6 * 0.9866, 18.0),  # cutting at 3 sigma takes 1.3 % off the deviation
    ],
)
def test_shifts_have_their_distributions_width_and_stay_below_its_maximum(
    prior: ShiftPrior, deviation: float, maximum: float, generator: torch.Generator
) -> None:
    shift = prior.sample(COUNT, generator)
    assert prior.maximum == pytest.approx(maximum)
    assert shift.abs().max() <= maximum
    assert shift.abs().max() > 0.93 * maximum
    assert shift.mean(0).abs().max() < 4 * deviation / COUNT**0.5
    assert shift.std(0).tolist() == pytest.approx([deviation] * 2, rel=0.02)
    assert torch.corrcoef(shift.T)[0, 1].abs() < 0.03


def test_a_triangular_shift_is_below_half_its_maximum_three_times_in_four(generator: torch.Generator) -> None:
    shift = TriangularShifts(20.0, 100.0).sample(COUNT, generator)
    assert (shift.abs() < 10).float().mean().item() == pytest.approx(0.75, abs=0.01)


def test_no_shift_is_exactly_zero(generator: torch.Generator) -> None:
    for prior in (UniformShifts(0.0, 99.0), TriangularShifts(0.0, 99.0), GaussianShifts(0.0, 99.0)):
        assert not prior.sample(5, generator).any()


def test_ctf_ranges_are_filled_and_kept(generator: torch.Generator) -> None:
    ctf = CTFRanges((12_000.0, 18_000.0), (100.0, 500.0), 200.0, 2.0, 0.07, 42.0).sample(COUNT, generator)
    mean, difference = (ctf.defocus_u + ctf.defocus_v) / 2, ctf.defocus_u - ctf.defocus_v
    assert (mean.min().item(), mean.max().item()) == pytest.approx((12_000, 18_000), abs=10)
    assert (difference.min().item(), difference.max().item()) == pytest.approx((100, 500), abs=2)
    assert (ctf.astigmatism_deg.min().item(), ctf.astigmatism_deg.max().item()) == pytest.approx((0, 180), abs=1)
    assert {ctf.voltage_kv.unique().item(), ctf.cs_mm.unique().item(), ctf.b_factor.unique().item()} == {200, 2, 42}


def test_rows_of_a_ctf_table_are_drawn_whole(generator: torch.Generator) -> None:
    rows = torch.arange(45.0).view(5, 9)
    drawn = CTFTable(ctf_from_table(rows, b_factor=60.0)).sample(1000, generator)
    assert len(drawn.defocus_u.unique()) == 5
    assert torch.equal(drawn.defocus_v, drawn.defocus_u + 1)
    assert torch.equal(drawn.phase_shift_deg, drawn.defocus_u + 6)
    assert (drawn.b_factor == 60).all()


@pytest.mark.data
def test_the_ctf_of_the_ribosome_data_is_read_from_its_table(shared_data: Path) -> None:
    table = np.load(shared_data / "ctf_tables" / "empiar10028_80S_ctf.npy")
    ctf = ctf_from_table(torch.from_numpy(table))
    assert len(ctf) == 105_247
    assert (ctf.voltage_kv == 300).all()
    assert ctf.defocus_u.min() > 3_000
    assert ctf.defocus_u.max() < 60_000
    assert ctf.amplitude_contrast[0].item() == pytest.approx(0.1)


@pytest.mark.parametrize("rotation", [UniformRotations(), GaussianEulerRotations(2.0)])
def test_the_same_seed_gives_the_same_conditions_and_another_seed_others(rotation: RotationPrior) -> None:
    prior = ImagingPrior(rotation, TriangularShifts(3.0, 200.0), CTFRanges())
    torch.manual_seed(1)
    first = prior.sample(6, torch.Generator().manual_seed(9))
    torch.manual_seed(2)  # the global state must not matter
    again, other = (prior.sample(6, torch.Generator().manual_seed(seed)) for seed in (9, 10))
    assert first.ctf is not None
    assert again.ctf is not None
    assert torch.equal(first.pose.rotation, again.pose.rotation)
    assert torch.equal(first.pose.shift, again.pose.shift)
    assert torch.equal(first.ctf.defocus_u, again.ctf.defocus_u)
    assert not torch.equal(first.pose.rotation, other.pose.rotation)


def test_without_a_lens_the_conditions_have_no_ctf(generator: torch.Generator) -> None:
    assert ImagingPrior(UniformRotations(), UniformShifts(1.0, 50.0), None).sample(2, generator).ctf is None


def test_ranges_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="--defocus must be the smallest, then the largest: 3 is more than 2"):
        CTFRanges(defocus=(3.0, 2.0))
