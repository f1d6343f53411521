"""Signs in a map's shape that a reconstruction went wrong as a whole, whatever its half maps agree on."""

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import centred_coordinates

_DARKER = 2.0  # times the positive density's square
_CENTRE = 2.0  # voxels
_EMPTY, _EVEN = 0.3, 0.2  # density of a hollow shell's centre, and its scatter over directions, in units of the shell's


def is_inverted(volume: Float[Tensor, "box box box"]) -> bool:
    """Whether most density is negative: a particle that is darker than what surrounds it."""
    return bool(volume.clamp(max=0).square().sum() > _DARKER * volume.clamp(min=0).square().sum())


def is_hollow_shell(volume: Float[Tensor, "box box box"]) -> bool:
    """Whether the densest shell about the centre is nearly even in all directions, and the centre nearly empty."""
    distance = centred_coordinates(len(volume), 3, device=volume.device).norm(dim=-1)
    shell, density = distance.round().long().flatten(), volume.flatten()
    count = torch.bincount(shell)
    mean = torch.bincount(shell, density) / count
    scatter = (torch.bincount(shell, density.square()) / count - mean.square()).clamp(min=0).sqrt()
    first, last = int(_CENTRE) + 1, len(volume) // 2
    densest = first + int(mean[first:last].argmax())
    centre = volume[distance <= _CENTRE].mean()
    return bool(centre < _EMPTY * mean[densest] and scatter[densest] < _EVEN * mean[densest])
