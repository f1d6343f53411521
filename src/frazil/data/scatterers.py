"""A molecule as the Gaussians that scatter electrons, in parts that may move or be missing."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from frazil.data.membranes import membrane_blobs
from frazil.data.phantoms import GaussianBlobs, pseudo_protein_blobs, pseudo_protein_domains
from frazil.io import read_atoms
from frazil.physics import centre_of_mass, deposit_gaussians, resolution_b_factor, scattering_coefficients

PSEUDO_PROTEIN, MEMBRANE = "pseudo-protein", "membrane"
PHANTOMS = (PSEUDO_PROTEIN, MEMBRANE)
"""Words that stand for molecules which are made up."""


@dataclass(frozen=True)
class Scatterers:
    """Sums of Gaussians a exp(-b k^2 / 4), about the molecule's centre of mass."""

    positions: Float[Tensor, "count xyz"]
    """Angstrom."""
    amplitudes: Float[Tensor, "count terms"]
    b_factors: Float[Tensor, "count terms"]
    """Square angstrom."""
    extent: Float[Tensor, " count"]
    """How far each one itself reaches, in angstrom."""
    part: Int[Tensor, " count"]
    """Place in `parts` of the chain or domain that each belongs to."""
    parts: tuple[str, ...]

    @property
    def radius(self) -> float:
        """Distance in angstrom from the origin to the farthest point."""
        return (self.positions.norm(dim=-1) + self.extent).max().item()

    def volume(self, box: int, pixel_size: float, resolution: float) -> Float[Tensor, "box box box"]:
        """Density through a Gaussian low-pass that falls to 1/e at `resolution` angstrom; ValueError if too large."""
        b_factors = self.b_factors + resolution_b_factor(resolution)
        return deposit_gaussians(self.positions, self.amplitudes, b_factors, box, pixel_size)

    def belongs_to(self, parts: tuple[str, ...]) -> Bool[Tensor, " count"]:
        """Whether each one is in any of the parts, which are named."""
        return torch.isin(self.part, torch.tensor([self.parts.index(name) for name in parts]))

    def only(self, parts: tuple[str, ...]) -> "Scatterers":
        """Without the other parts, in the same place."""
        kept = self.belongs_to(parts)
        own = {name: getattr(self, name)[kept] for name in ("positions", "amplitudes", "b_factors", "extent", "part")}
        return replace(self, **own)


def read_scatterers(model: str, assembly: str | None = None) -> Scatterers:
    """Scatterers of an atomic model, whose parts are its chains, or of a phantom: the pseudo-protein's are its domains.

    `assembly` names a biological assembly to build, "first" being the first.
    """
    if model == PSEUDO_PROTEIN:
        return _of_blobs(pseudo_protein_blobs(), pseudo_protein_domains())
    if model == MEMBRANE:
        blobs = membrane_blobs()
        return _of_blobs(blobs, torch.zeros(len(blobs.sigmas), dtype=torch.long))
    atoms = read_atoms(model, assembly=False if assembly is None else assembly == "first" or assembly)
    coefficients = scattering_coefficients(atoms.elements).to(atoms.positions)
    parts = tuple(dict.fromkeys(atoms.chains))
    return Scatterers(
        positions=atoms.positions - centre_of_mass(atoms.positions, atoms.elements),
        amplitudes=coefficients[:, 0],
        b_factors=coefficients[:, 1] + atoms.b_factors[:, None],
        extent=torch.zeros(len(atoms)),
        part=torch.tensor([parts.index(chain) for chain in atoms.chains]),
        parts=parts,
    )


def _of_blobs(blobs: GaussianBlobs, part: Int[Tensor, " blobs"]) -> Scatterers:
    return Scatterers(
        positions=blobs.centres,
        amplitudes=blobs.weights[:, None],
        b_factors=8 * torch.pi**2 * blobs.sigmas.square()[:, None],
        extent=2 * blobs.sigmas,
        part=part,
        parts=tuple(str(number + 1) for number in range(int(part.max()) + 1)),
    )
