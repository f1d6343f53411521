"""What the tests of the microscope share: blobs whose projections are known in closed form."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class Blobs:
    """Round Gaussian blobs at `centres` (blobs, 3), xyz in pixels from the box centre, `sigma` pixels wide.

    Written with sums over voxels and nothing of frazil, so that it can judge it.
    """

    centres: Tensor
    heights: Tensor
    sigma: float

    def volume(self, box: int) -> Tensor:
        axis = torch.arange(box, dtype=torch.float64) - box // 2
        z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
        square = [(x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 for a, b, c in self.centres.tolist()]
        return (self.heights[:, None, None, None] * torch.exp(-torch.stack(square) / (2 * self.sigma**2))).sum(0)

    def scaled(self, factor: float) -> "Blobs":
        """The same blobs on a finer grid."""
        return Blobs(factor * self.centres, self.heights, factor * self.sigma)

    def projections(self, rotation: Tensor, box: int, shift: Tensor | None = None) -> Tensor:
        """Line integrals along z of the blobs with their centres at R r, moved by `shift` (batch, 2) pixels."""
        centres = torch.einsum("bij,nj->bni", rotation.double(), self.centres)[..., :2]
        if shift is not None:
            centres = centres + shift.double()[:, None]
        axis = torch.arange(box, dtype=torch.float64) - box // 2
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        square = (x - centres[..., 0, None, None]) ** 2 + (y - centres[..., 1, None, None]) ** 2
        column = (2 * torch.pi) ** 0.5 * self.sigma * torch.exp(-square / (2 * self.sigma**2))
        return (self.heights[:, None, None] * column).sum(1)


def one_blob(centre: list[float], sigma: float) -> Blobs:
    return Blobs(torch.tensor([centre], dtype=torch.float64), torch.ones(1, dtype=torch.float64), sigma)


@pytest.fixture
def blob_at() -> Callable[[list[float], float], Blobs]:
    """Makes a single blob from its centre and sigma in pixels."""
    return one_blob


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(17)


@pytest.fixture
def blobs(generator: torch.Generator) -> Blobs:
    """Six blobs of different heights within a quarter of a box of 32: as compact as a particle in its box."""
    direction = torch.nn.functional.normalize(torch.randn(6, 3, generator=generator, dtype=torch.float64), dim=1)
    distance = 8 * torch.rand(6, 1, generator=generator, dtype=torch.float64) ** (1 / 3)
    return Blobs(direction * distance, 0.5 + torch.rand(6, generator=generator, dtype=torch.float64), 1.6)
