"""The potential of atoms against its closed form."""

import gemmi
import pytest
import torch

from frazil.geometry import centred_coordinates, frequency_grid
from frazil.physics.potential import (
    centre_of_mass,
    deposit_gaussians,
    low_pass,
    potential_from_atoms,
    scattering_coefficients,
)


def radius_squared(box: int, pixel_size: float) -> torch.Tensor:
    return (centred_coordinates(box, 3, dtype=torch.float64) * pixel_size).square().sum(-1)


@pytest.mark.parametrize("box", [32, 33])
def test_one_carbon_atom_is_the_sum_of_its_five_gaussians(box: int) -> None:
    pixel_size, b_factor = 0.5, 25.0
    volume = potential_from_atoms(torch.tensor([[3.0, -7.0, 11.0]]), ["C"], torch.tensor([b_factor]), box, pixel_size)
    carbon = gemmi.Element("C").c4322
    squared, exact = radius_squared(box, pixel_size), 0.0
    for a, b in zip(carbon.a, carbon.b, strict=True):
        width = b + b_factor
        exact = exact + a * (4 * torch.pi / width) ** 1.5 * torch.exp(-4 * torch.pi**2 * squared / width)
    # At Nyquist, 1/angstrom, a Gaussian of B = 25 has fallen to exp(-25 / 4).
    assert (volume - exact).abs().max() < 4e-3 * exact.max()
    assert torch.isclose(exact[box // 2, box // 2, box // 2], exact.max())
    assert volume.argmax() == exact.argmax()


@pytest.mark.parametrize("box", [20, 21])
def test_the_spectrum_of_atoms_is_their_scattering_factors_up_to_nyquist(box: int) -> None:
    pixel_size = 2.0
    positions = torch.tensor([[4.3, 1.1, -2.2], [-3.9, 5.0, 0.7], [0.2, -6.1, 1.9]])
    elements, b_factors = ["C", "N", "S"], torch.tensor([10.0, 40.0, 90.0])
    volume = potential_from_atoms(positions, elements, b_factors, box, pixel_size)
    spectrum = torch.fft.rfftn(torch.fft.ifftshift(volume.double())) * pixel_size**3
    frequency = frequency_grid(box, pixel_size, 3, dtype=torch.float64)
    squared = frequency.square().sum(-1)
    coefficients = scattering_coefficients(elements).double()
    exact = torch.zeros_like(spectrum)
    for centre, (a, b), b_factor in zip(
        positions - centre_of_mass(positions, elements), coefficients, b_factors, strict=True
    ):
        factor = (a * torch.exp(-(b + b_factor) / 4 * squared[..., None])).sum(-1)
        exact += factor * torch.exp(-2j * torch.pi * (frequency @ centre.double()))
    below_nyquist = frequency.abs().amax(-1) * box * pixel_size < (box - 1) // 2 + 0.5
    assert (spectrum - exact)[below_nyquist].abs().max() < 1e-3 * exact.abs().max()


@pytest.mark.parametrize("box", [24, 31])
def test_the_integral_of_the_potential_is_the_sum_of_forward_scattering(box: int) -> None:
    positions = torch.randn(200, 3) * 8
    elements = ["C", "N", "O", "S"] * 50
    volume = potential_from_atoms(positions, elements, torch.full((200,), 30.0), box, 3.0, resolution=8.0)
    expected = sum(gemmi.Element(e).c4322.calculate_sf(0.0) for e in elements)
    assert volume.sum().item() * 27 == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("box", [24, 31])
def test_the_centre_of_mass_of_the_potential_is_the_centre_of_the_box(box: int) -> None:
    positions = torch.randn(200, 3) * 6 + torch.tensor([100.0, -50.0, 30.0])
    b_factors = torch.full((200,), 30.0)
    volume = potential_from_atoms(positions, ["C", "N"] * 100, b_factors, box, 3.0, resolution=14.0)
    centre = (centred_coordinates(box, 3) * volume[..., None]).sum((0, 1, 2)) / volume.sum()
    assert centre.abs().max() < 2e-3


def test_a_resolution_is_where_the_low_pass_falls_to_one_over_e() -> None:
    atom = (torch.zeros(1, 3), ["C"], torch.tensor([20.0]), 40, 2.0)
    ratio = (
        torch.fft.rfftn(potential_from_atoms(*atom, resolution=8.0)).abs()
        / torch.fft.rfftn(potential_from_atoms(*atom)).abs()
    )
    assert ratio[0, 0, 10].item() == pytest.approx(torch.e**-1, rel=1e-3)  # 10 / (40 px of 2 angstrom) is 1/8


def test_a_map_and_its_atoms_are_low_passed_alike() -> None:
    atoms = (torch.randn(20, 3) * 6, ["O"] * 20, torch.full((20,), 15.0), 30, 2.0)
    filtered = low_pass(potential_from_atoms(*atoms), 2.0, resolution=9.0)
    direct = potential_from_atoms(*atoms, resolution=9.0)
    assert (filtered - direct).abs().max() < 1e-3 * direct.max()


def test_gaussians_are_differentiable_in_their_positions() -> None:
    positions = torch.randn(4, 3, requires_grad=True)
    ones = torch.ones(4, 1)
    (deposit_gaussians(positions, ones, 60 * ones, 16, 1.5) ** 2).sum().backward()
    assert positions.grad is not None
    assert positions.grad.isfinite().all()


def test_an_unknown_element_is_refused_with_its_name_and_atom() -> None:
    with pytest.raises(ValueError, match=r"element 'Q' of atom 1 has no electron scattering factor"):
        scattering_coefficients(["C", "Q"])


def test_a_model_larger_than_the_box_is_refused_with_both_sizes() -> None:
    positions = torch.tensor([[-50.0, 0, 0], [50.0, 0, 0]])
    with pytest.raises(ValueError, match=r"reaches 50.0 angstrom .* a box of 32 px at 3 angstrom holds 48.0"):
        potential_from_atoms(positions, ["C", "C"], torch.zeros(2), 32, 3.0)
