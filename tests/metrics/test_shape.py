import pytest
import torch

from frazil.data import pseudo_protein
from frazil.geometry import centred_coordinates
from frazil.metrics import is_hollow_shell, is_inverted

BOXES = pytest.mark.parametrize("box", [32, 33])


def shell_of(box: int) -> torch.Tensor:
    """A round shell that holds nothing."""
    distance = centred_coordinates(box, 3).norm(dim=-1)
    return torch.exp(-(distance - box / 4).square() / (2 * 2.0**2))


@BOXES
def test_a_particle_is_neither_dark_nor_hollow(box: int) -> None:
    protein = pseudo_protein(box, 5.0)
    assert not is_inverted(protein)
    assert not is_hollow_shell(protein)


@BOXES
def test_density_of_the_wrong_sign_is_inverted_and_no_shell(box: int) -> None:
    protein = -pseudo_protein(box, 5.0)
    assert is_inverted(protein)
    assert not is_hollow_shell(protein)


@BOXES
def test_a_round_shell_is_hollow_and_a_full_ball_is_not(box: int) -> None:
    distance = centred_coordinates(box, 3).norm(dim=-1)
    assert is_hollow_shell(shell_of(box))
    assert not is_hollow_shell((distance < box / 4).float())


@BOXES
def test_a_shell_with_more_on_one_side_is_a_particle(box: int) -> None:
    lopsided = shell_of(box) * (1 + 0.5 * centred_coordinates(box, 3)[..., 0] / (box / 4))
    assert not is_hollow_shell(lopsided)


def test_noise_and_nothing_at_all_are_neither() -> None:
    for volume in (torch.randn(24, 24, 24), torch.zeros(24, 24, 24)):
        assert not is_inverted(volume)
        assert not is_hollow_shell(volume)
