"""Made-up molecules whose every projection is known: Gaussian blobs, and a pseudo-protein built of them."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.geometry import random_rotations
from frazil.physics import deposit_gaussians, resolution_b_factor

_DOMAIN_RADII = (26.0, 21.0, 19.0, 16.0, 13.0)  # angstrom


@dataclass(frozen=True)
class GaussianBlobs:
    """Round Gaussian blobs: `centres` (xyz) and `sigmas` in angstrom, `weights` the integral of each."""

    centres: Float[Tensor, "blobs 3"]
    sigmas: Float[Tensor, " blobs"]
    weights: Float[Tensor, " blobs"]

    @property
    def radius(self) -> float:
        """Distance in angstrom from the origin to the far side (two sigmas) of the outermost blob."""
        return (self.centres.norm(dim=-1) + 2 * self.sigmas).max().item()

    def blurred(self, resolution: float) -> "GaussianBlobs":
        """Same blobs through a Gaussian low-pass that falls to 1/e at `resolution` angstrom."""
        blur = resolution_b_factor(resolution) / (8 * torch.pi**2)
        return GaussianBlobs(self.centres, (self.sigmas.square() + blur).sqrt(), self.weights)


def random_blobs(count: int, radius: float, generator: torch.Generator) -> GaussianBlobs:
    """Blobs of different sizes and weights scattered within `radius` angstrom of the origin."""
    direction = random_rotations(count, generator)[:, 2]
    distance, size, weight = torch.rand(3, count, generator=generator)
    centres = 0.75 * radius * distance[:, None] ** (1 / 3) * direction
    return GaussianBlobs(centres, radius * (0.1 + 0.05 * size), 0.5 + weight)


def blob_volume(blobs: GaussianBlobs, box: int, pixel_size: float) -> Float[Tensor, "box box box"]:
    """Density of blobs per cubic angstrom, exact up to Nyquist."""
    b_factors = 8 * torch.pi**2 * blobs.sigmas.square()
    return deposit_gaussians(blobs.centres, blobs.weights[:, None], b_factors[:, None], box, pixel_size)


def blob_projections(
    blobs: GaussianBlobs,
    rotation: Float[Tensor, "batch 3 3"],
    shift: Float[Tensor, "batch 2"],
    box: int,
    pixel_size: float,
) -> Float[Tensor, "batch box box"]:
    """Closed form of what `project` gives for `blob_volume`, moved by `shift` angstrom: a sum over voxels along z.

    The line integral of a Gaussian is a Gaussian of the same width; over the pixel size it is that sum.
    """
    centres = torch.einsum("bij,nj->bni", rotation, blobs.centres)[..., :2] + shift[:, None]
    axis = (torch.arange(box, device=centres.device, dtype=centres.dtype) - box // 2) * pixel_size
    sigma = blobs.sigmas[:, None, None]
    profile = torch.exp(-0.5 * ((axis - centres[..., None]) / sigma) ** 2) / (sigma * (2 * torch.pi) ** 0.5)
    along_x, along_y = profile.unbind(2)
    return torch.einsum("n,bny,bnx->byx", blobs.weights / pixel_size, along_y, along_x)


def pseudo_protein(
    box: int, pixel_size: float, seed: int = 0, resolution: float | None = None
) -> Float[Tensor, "box box box"]:
    """Density of the pseudo-protein of `seed`, low-passed to `resolution` angstrom (default: Nyquist)."""
    blobs = pseudo_protein_blobs(seed).blurred(resolution or 2 * pixel_size)
    return blob_volume(blobs, box, pixel_size)


def pseudo_protein_blobs(seed: int = 0) -> GaussianBlobs:
    """An asymmetric molecule about 100 angstrom long: a chain of domains, each a bundle of helices.

    Two blobs to a residue, backbone and side chain, weighted like the forward scattering of real ones, about
    their centre of mass. No residue was taken from a real protein.
    """
    return _pseudo_protein(seed)[0]


def pseudo_protein_domains(seed: int = 0) -> Int[Tensor, " blobs"]:
    """Number, from 0, of the domain in which each blob of the pseudo-protein lies."""
    return _pseudo_protein(seed)[1]


@cache
def _pseudo_protein(seed: int) -> tuple[GaussianBlobs, Int[Tensor, " blobs"]]:
    generator = torch.Generator().manual_seed(seed)
    domain_centres, domain_radii = _domains(generator)
    domains = zip(domain_centres, domain_radii.tolist(), strict=True)
    helices = [helix for centre, radius in domains for helix in _bundle(centre, radius, generator)]
    backbone = torch.cat([_helix_residues(helix, 2.3, 0.0) for helix in helices] + _loops(helices))
    side_chains = torch.cat([_helix_residues(helix, 5.0, 0.6) for helix in helices])
    side_chains = side_chains + torch.randn(side_chains.shape, generator=generator) * 0.8
    size = torch.rand(len(side_chains), generator=generator)
    weights = torch.cat([torch.full((len(backbone),), 11.0), 4 + 16 * size])
    sigmas = torch.cat([torch.full((len(backbone),), 1.2), 1.1 + 0.5 * size])
    centres = torch.cat([backbone, side_chains])
    domain = (torch.cdist(centres, domain_centres) - domain_radii).argmin(1)
    middle = (weights[:, None] * centres).sum(0) / weights.sum()
    return GaussianBlobs(centres - middle, sigmas, weights), domain


def _domains(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Centres and radii of domains, each touching an earlier one, in an elongated and lopsided arrangement."""
    radii = torch.tensor(_DOMAIN_RADII)
    while True:
        centres = _chain_of_spheres(radii, generator)
        distance = torch.cdist(centres, centres)
        length = (distance + radii[:, None] + radii).max()
        thin, middle, long = torch.linalg.eigvalsh(centres.T.cov())
        # Neither a ball nor a rod nor a plate, and of the promised length.
        if 104 < length < 114 and middle > 0.4 * long and thin > 0.15 * long:
            return centres, radii


def _chain_of_spheres(radii: Tensor, generator: torch.Generator) -> Tensor:
    """Centres of spheres, each slightly sunk into one placed before it and clear of the others."""
    centres = torch.zeros(1, 3)
    while len(centres) < len(radii):
        new = len(centres)
        parent = int(torch.randint(new, (), generator=generator))
        direction = random_rotations(1, generator)[0, 2]
        contact = 0.85 * (radii[:new] + radii[new])
        candidate = centres[parent] + direction * contact[parent]
        if bool(((centres - candidate).norm(dim=-1) > contact - 1e-3).all()):
            centres = torch.cat([centres, candidate[None]])
    return centres


def _bundle(centre: Tensor, radius: float, generator: torch.Generator) -> list[Tensor]:
    """Axes of helices (points 1.5 angstrom apart, one a residue) packed in a sphere, roughly side by side."""
    tries = 1200
    axis = random_rotations(1, generator)[0, 2]
    lean = random_rotations(tries, generator)[:, 2]
    middles = random_rotations(tries, generator)[:, 2] * torch.rand(tries, 1, generator=generator) ** (1 / 3)
    half_lengths = 6 + 12 * torch.rand(tries, generator=generator)
    accepted: list[Tensor] = []
    for middle, tilt, half in zip(middles * radius, lean, half_lengths, strict=True):
        direction = torch.nn.functional.normalize(axis + 0.5 * tilt, dim=0)
        points = middle + torch.arange(-half, half, 1.5)[:, None] * direction
        points = points[points.norm(dim=-1) < radius - 3]
        if len(points) >= 6 and all(torch.cdist(points, other).min() > 7.8 for other in accepted):
            accepted.append(points)
    return [centre + points for points in accepted]


def _helix_residues(axis: Tensor, radius: float, phase: float) -> Tensor:
    """One point a residue around a helix's axis, 100 degrees apart, right-handed."""
    direction = torch.nn.functional.normalize(axis[1] - axis[0], dim=0)
    helper = torch.eye(3)[direction.abs().argmin()]
    first = torch.nn.functional.normalize(torch.linalg.cross(direction, helper), dim=0)
    second = torch.linalg.cross(direction, first)
    turn = torch.deg2rad(torch.arange(len(axis)) * 100.0)[:, None] + phase
    return axis + radius * (torch.cos(turn) * first + torch.sin(turn) * second)


def _loops(helices: list[Tensor]) -> list[Tensor]:
    """Straight linkers from the end of each helix to the start of the next, a residue every 3.8 angstrom."""
    loops = []
    for before, after in pairwise(helices):
        gap = after[0] - before[-1]
        steps = max(2, int(gap.norm() / 3.8))
        loops.append(before[-1] + torch.arange(1, steps)[:, None] / steps * gap)
    return loops
