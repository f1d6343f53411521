"""Specimens whose turned, moved and mirrored copies are known without interpolation."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from frazil.geometry import centred_coordinates


def sum_of_blobs(points: Tensor, weights: Tensor, box: int, width: float) -> Tensor:
    """Gaussian blobs of standard deviation `width` voxels at `points` (x, y, z from the centre, in voxels)."""
    grid = centred_coordinates(box, 1)[:, 0].double()
    volume = torch.zeros(box, box, box, dtype=torch.float64)
    for point, weight in zip(points.double(), weights.double(), strict=True):
        x, y, z = (torch.exp(-0.5 * ((grid - place) / width).square()) for place in point)
        volume += weight * z[:, None, None] * y[:, None] * x
    return volume.float()


@pytest.fixture
def blobs() -> Callable[..., Tensor]:
    return sum_of_blobs


@pytest.fixture
def specimen() -> Callable[[int], tuple[Tensor, Tensor]]:
    """Points and weights of a body without symmetry, about half of the box across, its mass at the centre."""

    def build(box: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(5)
        points = torch.randn(25, 3, generator=generator) * torch.tensor([1.0, 0.7, 0.5])
        weights = 0.5 + torch.rand(25, generator=generator)
        return points.clamp(-2, 2) * 0.13 * box, weights

    return build
