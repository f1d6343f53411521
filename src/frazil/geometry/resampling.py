"""Volumes turned and masked on their grid."""

import torch
from jaxtyping import Float
from torch import Tensor


def centred_coordinates(
    box: int, ndim: int, *, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "... ndim"]:
    """Position of each voxel from the centre `box // 2`, in voxels; the last axis holds x, y (, z)."""
    axis = torch.arange(box, device=device, dtype=dtype) - box // 2
    axes = torch.meshgrid(*([axis] * ndim), indexing="ij")
    return torch.stack(axes[::-1], dim=-1)


def soft_sphere(
    box: int, radius: float, edge: float, ndim: int = 3, *, device: torch.device | str | None = None
) -> Float[Tensor, "..."]:
    """Mask that is 1 within `radius` voxels of the centre and falls to 0 as a cosine over `edge` more."""
    distance = centred_coordinates(box, ndim, device=device).norm(dim=-1)
    ramp = ((distance - radius) / max(edge, 1e-6)).clamp(0, 1)
    return 0.5 + 0.5 * torch.cos(torch.pi * ramp)


def turned_back(points: Float[Tensor, "*#grid ndim"], rotation: Float[Tensor, "*#grid 3 3"]) -> Float[Tensor, "... 3"]:
    """Where in the particle's frame the given points of the microscope's frame lie: R^-1 r, z = 0 if r has only x, y.

    Summed axis by axis: a matrix product would round the coordinates to bfloat16 or TF32 where those are enabled,
    which moves them by whole voxels.
    """
    terms = [points[..., axis, None] * rotation[..., axis, :] for axis in range(points.shape[-1])]
    return sum(terms[1:], terms[0])


def rotate_volume(volume: Float[Tensor, "box box box"], rotation: Float[Tensor, "3 3"]) -> Float[Tensor, "box box box"]:
    """Volume turned about its centre by `rotation` (on xyz columns), by trilinear interpolation."""
    box = volume.shape[-1]
    target = centred_coordinates(box, 3, device=volume.device, dtype=volume.dtype)
    source = turned_back(target, rotation.to(volume))
    # grid_sample's -1 and 1 are the centres of the first and last voxel (align_corners).
    grid = (source + box // 2) * (2 / (box - 1)) - 1
    turned = torch.nn.functional.grid_sample(volume[None, None], grid[None], align_corners=True)
    return turned[0, 0]
