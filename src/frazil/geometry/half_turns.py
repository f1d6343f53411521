"""Half turns of volumes about the axes of their grid, which bring the missing wedge onto itself."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_AXES: list[tuple[int, ...]] = [(), (0, 1), (0, 2), (1, 2)]  # none, about x, about y, about z: those that are reversed


def half_turns(count: int, most: int, generator: torch.Generator) -> Int[Tensor, "count 4"]:
    """For each of some volumes which half turn, and how many voxels along z, y, x, `most` at most."""
    which = torch.randint(len(_AXES), (count, 1), generator=generator)
    moved = torch.randint(-most, most + 1, (count, 3), generator=generator)
    return torch.cat([which, moved], 1)


def half_turned(
    volumes: Float[Tensor, "batch box box box"], turns: Int[Tensor, "batch 4"]
) -> Float[Tensor, "batch box box box"]:
    """Each volume half a turn about its centre's x, y or z or not at all, then moved by voxels along z, y, x.

    Those are the turns that bring the wedge of a symmetric range of tilts onto itself and mirror nothing.
    """
    even = 1 - volumes.shape[-1] % 2  # on an even box a flip alone moves the centre by a voxel
    made = []
    for volume, (which, *moved) in zip(volumes, turns.tolist(), strict=True):
        steps = [step + even * (axis in _AXES[which]) for axis, step in enumerate(moved)]
        made.append(volume.flip(_AXES[which]).roll(steps, (0, 1, 2)))
    return torch.stack(made)
