"""Molecules as sums of Gaussians, in parts."""

from pathlib import Path

import torch

from frazil.data.scatterers import read_scatterers
from frazil.io import read_atoms
from frazil.physics import potential_from_atoms

PDB = """\
ATOM      1  CA  ALA A   1      10.000   2.000   3.000  1.00 20.00           C
ATOM      2  CB  ALA A   1      -8.000   1.000  -7.000  1.00 20.00           C
ATOM      3  SG  CYS B   2       2.000  12.000   5.000  1.00 20.00           S
END
"""


def test_the_volume_of_an_atomic_model_is_its_potential(tmp_path: Path) -> None:
    (tmp_path / "three.pdb").write_text(PDB)
    atoms = read_atoms(tmp_path / "three.pdb")
    molecule = read_scatterers(str(tmp_path / "three.pdb"))
    expected = potential_from_atoms(atoms.positions, atoms.elements, atoms.b_factors, 24, 3.0, resolution=9.0)
    assert torch.allclose(molecule.volume(24, 3.0, 9.0), expected, atol=1e-6)


def test_the_chains_of_a_model_are_its_parts_and_add_up_to_it(tmp_path: Path) -> None:
    (tmp_path / "three.pdb").write_text(PDB)
    molecule = read_scatterers(str(tmp_path / "three.pdb"))
    assert molecule.parts == ("A", "B")
    assert molecule.belongs_to(("B",)).tolist() == [False, False, True]
    parts = [molecule.only((name,)).volume(24, 3.0, 9.0) for name in "AB"]
    assert torch.allclose(parts[0] + parts[1], molecule.volume(24, 3.0, 9.0), atol=1e-6)


def test_the_domains_of_the_pseudo_protein_are_compact() -> None:
    molecule = read_scatterers("pseudo-protein")
    for name in molecule.parts:
        positions = molecule.only((name,)).positions
        assert len(positions) > 50
        assert (positions - positions.mean(0)).norm(dim=-1).mean() < 25
