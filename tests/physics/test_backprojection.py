"""Back-projection: the adjoint of slicing, and a volume again from its own slices."""

import pytest
import torch
from torch import Tensor

from frazil.data import pseudo_protein
from frazil.geometry import (
    fourier_crop,
    fourier_transform,
    frequency_grid,
    hermitian_weight,
    random_rotations,
    shell_sum,
    symmetrise,
)
from frazil.geometry import symmetry_rotations as group
from frazil.metrics import fourier_shell_correlation
from frazil.physics import BackProjection, FourierVolume, sample_slices, to_fourier_volume

PIXEL_SIZE = 6.0


def rotations(count: int) -> Tensor:
    return random_rotations(count, torch.Generator().manual_seed(2))


def half_plane(box: int) -> tuple[Tensor, Tensor]:
    """Frequencies below Nyquist, and how much each counts: those with x = 0 are there twice."""
    frequency = frequency_grid(box)
    inside = frequency.norm(dim=-1) < 0.49
    return frequency[inside], hermitian_weight(box).expand(inside.shape)[inside] / 2


def specimen(box: int) -> Tensor:
    return fourier_crop(pseudo_protein(48, 4.0), box, 3)


def back_projected(volume: Tensor, turns: Tensor) -> BackProjection:
    frequency, weight = half_plane(len(volume))
    slices = sample_slices(to_fourier_volume(volume), turns, frequency)
    sums = BackProjection.empty(len(volume), like=volume)
    sums.add(slices * weight, weight.expand(slices.shape), turns, frequency)
    return sums


def test_adding_slices_is_the_adjoint_of_taking_them() -> None:
    """<slices of V, s> = <V, s put back>, for any V and s."""
    box, turns = 12, rotations(5).double()
    frequency = half_plane(box)[0].double()
    volume = FourierVolume(torch.randn(2, 24, 24, 13, dtype=torch.float64), box)
    taken = sample_slices(volume, turns, frequency)
    given = torch.complex(*torch.randn(2, *taken.shape, dtype=torch.float64))
    sums = BackProjection.empty(box, like=volume.values)
    sums.add(given, torch.zeros(given.shape, dtype=torch.float64), turns, frequency)
    torch.testing.assert_close((taken * given.conj()).real.sum(), (volume.values * sums.sums[:2]).sum())


@pytest.mark.parametrize("box", [24, 25])
def test_enough_slices_give_the_volume_back_in_its_own_units(box: int) -> None:
    volume = specimen(box)
    sums = back_projected(volume, rotations(600)).symmetrised(group("C1"))
    found = sums.volume(1e-3 * sums.shell_means())
    shells = slice(1, box // 2 - 1)  # the mean, which images of unit background do not hold, is less exact
    curve = fourier_shell_correlation(found, volume, PIXEL_SIZE).correlation
    assert float(curve[shells].min()) > 0.998
    product, power = fourier_transform(found, 3) * fourier_transform(volume, 3).conj(), fourier_transform(volume, 3)
    scale = shell_sum(product.real, box, 3) / shell_sum(power.abs().square(), box, 3)
    torch.testing.assert_close(scale[shells], torch.ones(box // 2 - 2), rtol=0, atol=0.02)


def test_slices_of_a_symmetric_particle_count_in_every_equivalent_orientation() -> None:
    """A fifth of the slices is enough when the group says where they stand as well."""
    volume = symmetrise(specimen(24), group("D2"))
    few = back_projected(volume, rotations(40))

    def worst(sums: BackProjection) -> float:
        found = sums.volume(1e-3 * sums.shell_means())
        return float(fourier_shell_correlation(found, volume, PIXEL_SIZE).correlation[:11].min())

    assert worst(few.symmetrised(group("D2"))) > 0.97
    assert worst(few.symmetrised(group("C1"))) < 0.97


def test_a_prior_as_strong_as_the_data_halves_the_map() -> None:
    sums = back_projected(specimen(24), rotations(600)).symmetrised(group("C1"))
    free, held = (sums.volume(strength * sums.shell_means()) for strength in (1e-6, 1.0))
    assert float((held * free).sum() / free.square().sum()) == pytest.approx(0.5, abs=0.1)


def test_shells_that_no_slice_reached_are_empty() -> None:
    sums = BackProjection.empty(16, like=torch.zeros(1))
    assert float(sums.volume(sums.shell_means()).abs().max()) == 0
