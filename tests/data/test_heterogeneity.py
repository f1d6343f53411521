"""Structures of a molecule: what moves, moves as it should, and the rest stays."""

import pytest
import roma
import torch

from frazil.data.heterogeneity import Heterogeneity, structures
from frazil.data.scatterers import Scatterers, read_scatterers

MOLECULE = read_scatterers("pseudo-protein")
MOVING = MOLECULE.belongs_to(("2",))


def made(kind: str, states: int) -> list[Scatterers]:
    how = Heterogeneity(kind, states, moving="2")  # type: ignore[arg-type]
    return [one.molecule for one in structures(MOLECULE, how, seed=0)]


@pytest.mark.parametrize("kind", ["dihedral", "motion", "discrete"])
def test_the_first_structure_is_the_model_and_in_all_the_rest_stays(kind: str) -> None:
    every = made(kind, 6)
    assert torch.allclose(every[0].positions, MOLECULE.positions, atol=1e-3)
    for one in every:
        assert torch.equal(one.positions[~MOVING], MOLECULE.positions[~MOVING])


@pytest.mark.parametrize("kind", ["dihedral", "motion", "discrete"])
def test_the_moving_part_is_rigid(kind: str) -> None:
    for one in made(kind, 6):
        turn, shift = roma.rigid_points_registration(MOLECULE.positions[MOVING], one.positions[MOVING])
        assert torch.allclose(MOLECULE.positions[MOVING] @ turn.T + shift, one.positions[MOVING], atol=1e-2)


def test_a_dihedral_turns_all_the_way_round_in_equal_steps() -> None:
    every = made("dihedral", 12)
    steps = [
        roma.rigid_points_registration(before.positions[MOVING], after.positions[MOVING])[0]
        for before, after in zip(every, [*every[1:], every[0]], strict=True)
    ]
    for step in steps:
        assert torch.allclose(step, steps[0], atol=1e-3)
    assert roma.rotmat_to_rotvec(steps[0]).norm().item() == pytest.approx(2 * torch.pi / 12, abs=1e-3)
    moved = torch.stack([one.positions[MOVING].mean(0) for one in every])
    assert torch.pdist(moved).max() > 20  # angstrom: far more than a pixel


def test_a_motion_goes_along_a_line_as_far_as_its_travel_and_away_from_the_rest() -> None:
    every = made("motion", 5)
    shift = torch.stack([(one.positions - MOLECULE.positions)[MOVING].mean(0) for one in every])
    assert shift.norm(dim=-1).tolist() == pytest.approx([0, 6.25, 12.5, 18.75, 25], abs=1e-3)
    assert torch.linalg.matrix_rank(shift, tol=1e-2) == 1
    from_rest = [(one.positions[MOVING].mean(0) - one.positions[~MOVING].mean(0)).norm() for one in every]
    assert from_rest[-1] > from_rest[0] + 24


def test_discrete_structures_are_apart() -> None:
    moved = torch.stack([one.positions[MOVING].flatten() for one in made("discrete", 10)])
    assert (torch.pdist(moved) / MOVING.sum().sqrt()).min() > 3  # angstrom, root mean square


def test_assemblies_are_the_whole_and_others_that_lack_up_to_half_of_the_parts_none_twice() -> None:
    every = made("mixture", 16)
    kept = [tuple(sorted({one.parts[place] for place in one.part.tolist()})) for one in every]
    assert kept[0] == MOLECULE.parts
    assert len(set(kept)) == 16
    assert min(map(len, kept)) == 3


def test_latents_are_degrees_angstrom_and_numbers() -> None:
    latents = {
        kind: [one.latent for one in structures(MOLECULE, Heterogeneity(kind, 4), 0)]  # type: ignore[arg-type]
        for kind in ("dihedral", "motion", "mixture", "discrete")
    }
    assert latents["dihedral"] == [0, 90, 180, 270]
    assert latents["motion"] == pytest.approx([0, 25 / 3, 50 / 3, 25])
    assert latents["mixture"] == latents["discrete"] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (Heterogeneity("motion", moving="7"), "--moving 7: the model has no '7', only 1, 2, 3, 4, 5"),
        (Heterogeneity("motion", moving="1,2,3,4,5"), "--moving 1,2,3,4,5: nothing stays where it is"),
        (Heterogeneity("mixture", 17), "--states 17: leaving out up to 2 of 5 chains gives only 16"),
    ],
)
def test_what_a_molecule_cannot_do_is_said(how: Heterogeneity, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        structures(MOLECULE, how, 0)


def test_states_of_molecules_that_are_all_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="--states 3: give a --heterogeneity by which they differ"):
        Heterogeneity(states=3)


def test_a_molecule_of_one_chain_cannot_move_in_itself() -> None:
    with pytest.raises(ValueError, match="--heterogeneity motion needs two chains, the model has 1 alone"):
        structures(
            Scatterers(
                *(
                    getattr(MOLECULE.only(("1",)), name)
                    for name in ("positions", "amplitudes", "b_factors", "extent", "part")
                ),
                parts=("1",),
            ),
            Heterogeneity("motion"),
            0,
        )
