"""Atomic models from the Protein Data Bank's formats."""

from dataclasses import dataclass
from pathlib import Path

import gemmi
import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Atoms:
    """Atoms of a model, without hydrogens and water."""

    positions: Float[Tensor, "atoms xyz"]
    """x, y, z in angstrom, in the frame of the file."""
    elements: list[str]
    """Chemical symbols: C, N, ZN."""
    b_factors: Float[Tensor, " atoms"]
    """Isotropic displacement in square angstrom."""
    chains: list[str]
    """Name of the chain that each is in."""

    def __len__(self) -> int:
        return len(self.elements)


def read_atoms(path: str | Path, assembly: bool | str = False) -> Atoms:
    """Atoms of a PDB or mmCIF file (gz too): the first model, one conformation of each residue.

    `assembly` is the name of a biological assembly to build, or True for the first one; else what the file holds.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        raise ValueError(f"{path} is not an atomic model: {str(error).splitlines()[0]}") from None
    if not len(structure):
        raise ValueError(f"{path} holds no atoms")
    del structure[1:]
    if assembly is not False:
        _build_assembly(structure, assembly, path)
    structure.remove_hydrogens()
    structure.remove_waters()
    structure.remove_alternative_conformations()
    sites = list(structure[0].all())
    atoms = [site.atom for site in sites]
    if not atoms:
        raise ValueError(f"{path} holds no atoms besides hydrogens and water")
    return Atoms(
        positions=torch.tensor([atom.pos.tolist() for atom in atoms], dtype=torch.float32),
        elements=[atom.element.name.upper() for atom in atoms],
        b_factors=torch.tensor([atom.b_iso for atom in atoms], dtype=torch.float32),
        chains=[site.chain.name for site in sites],
    )


def _build_assembly(structure: gemmi.Structure, assembly: bool | str, path: Path) -> None:
    names = [entry.name for entry in structure.assemblies]
    if not names:
        raise ValueError(f"{path} describes no biological assembly")
    name = names[0] if assembly is True else str(assembly)
    if name not in names:
        raise ValueError(f"{path} has no biological assembly {name!r}, only {', '.join(names)}")
    structure.transform_to_assembly(name, gemmi.HowToNameCopiedChain.AddNumber)
