"""Atomic models."""

import gzip
from pathlib import Path

import pytest
import torch

from frazil.io import read_atoms

PDB = """\
REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   2 -1.000000  0.000000  0.000000       10.00000
REMARK 350   BIOMT2   2  0.000000 -1.000000  0.000000        0.00000
REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        0.00000
ATOM      1  N   SER A   1       1.000   2.000   3.000  1.00 10.00           N
ATOM      2  CA ASER A   1       2.000   2.000   3.000  0.60 20.00           C
ATOM      3  CA BSER A   1       2.500   2.000   3.000  0.40 20.00           C
ATOM      4  HA  SER A   1       2.000   3.000   3.000  1.00 20.00           H
HETATM    5 ZN    ZN A   2       4.000   5.000   6.000  1.00 30.00          ZN
HETATM    6  O   HOH A   3       9.000   9.000   9.000  1.00 30.00           O
END
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model.pdb").write_text(PDB)
    return tmp_path / "model.pdb"


def test_hydrogens_water_and_second_conformations_are_left_out(model: Path) -> None:
    atoms = read_atoms(model)
    assert atoms.elements == ["N", "C", "ZN"]
    assert atoms.positions.tolist() == [[1, 2, 3], [2, 2, 3], [4, 5, 6]]
    assert atoms.b_factors.tolist() == [10, 20, 30]
    assert len(atoms) == 3


@pytest.mark.parametrize("assembly", [True, "1"])
def test_a_biological_assembly_is_built_on_request(model: Path, assembly: bool | str) -> None:
    positions = read_atoms(model, assembly).positions
    assert len(positions) == 6
    torch.testing.assert_close(positions[3:], torch.tensor([[9.0, -2, 3], [8, -2, 3], [6, -5, 6]]))


def test_a_packed_model_is_read(tmp_path: Path) -> None:
    (tmp_path / "model.pdb.gz").write_bytes(gzip.compress(PDB.encode()))
    assert read_atoms(tmp_path / "model.pdb.gz").elements == ["N", "C", "ZN"]


def test_an_unknown_assembly_is_refused_with_those_there_are(model: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.pdb has no biological assembly '7', only 1"):
        read_atoms(model, "7")


def test_a_model_without_assembly_is_refused_when_one_is_asked_for(tmp_path: Path) -> None:
    lines = [line for line in PDB.splitlines() if not line.startswith("REMARK")]
    (tmp_path / "model.pdb").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"model\.pdb describes no biological assembly"):
        read_atoms(tmp_path / "model.pdb", assembly=True)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.pdb does not exist"):
        read_atoms(tmp_path / "gone.pdb")


@pytest.mark.parametrize("name", ["model.pdb", "model.cif", "model.cif.gz", "model.txt"])
def test_a_file_that_is_no_model_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello\nworld\n")
    with pytest.raises(ValueError, match=rf"{name}( is not an atomic model|: | holds no atoms)") as refusal:
        read_atoms(tmp_path / name)
    assert "\n" not in str(refusal.value)


def test_water_alone_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.pdb").write_text("\n".join(line for line in PDB.splitlines() if "HOH" in line) + "\nEND\n")
    with pytest.raises(ValueError, match=r"model\.pdb holds no atoms besides hydrogens and water"):
        read_atoms(tmp_path / "model.pdb")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("2cg9.pdb.gz", 11906),
        ("3j9i.pdb.gz", 46228),
        ("4ake.pdb.gz", 3312),
        ("4v1w.cif.gz", 32736),
        ("5a1a.cif.gz", 32920),
    ],
)
def test_every_shared_model_is_read(shared_data: Path, name: str, count: int) -> None:
    atoms = read_atoms(shared_data / "models" / name)
    assert len(atoms) == count
    assert not {"H", "D", "X"} & set(atoms.elements)
    assert torch.isfinite(atoms.positions).all()
