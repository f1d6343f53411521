"""The frequencies that no image of a tilt series has seen."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from frazil.geometry import frequency_grid


def missing_wedge(rotation: Float[Tensor, "tilts 3 3"], box: int) -> Bool[Tensor, "box box half"]:
    """Frequencies of a volume's half spectrum, as `frequency_grid` has them, that no image of a series has seen.

    An image sees what lies within a sample of its slice: no detail of a volume that small is thinner.
    """
    return _unseen(frequency_grid(box, 1.0, 3, device=rotation.device, dtype=rotation.dtype), rotation, 1 / box)


def missing_wedge_of_field(
    rotation: Float[Tensor, "tilts 3 3"], shape: tuple[int, int, int]
) -> Bool[Tensor, "z y half"]:
    """The same of a tomogram's shape (z, y, x), frequencies in the order of `torch.fft.rfftn`."""
    axes = *(torch.fft.fftfreq(side) for side in shape[:2]), torch.fft.rfftfreq(shape[2])
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], -1)
    return _unseen(grid, rotation, 1 / min(shape))


def _unseen(
    frequency: Float[Tensor, "z y half 3"], rotation: Float[Tensor, "tilts 3 3"], thickness: float
) -> Bool[Tensor, "z y half"]:
    """Frequencies that lie farther than a slice's thickness from every slice."""
    nearest = torch.full(frequency.shape[:-1], torch.inf, dtype=frequency.dtype, device=frequency.device)
    for beam in rotation[:, 2]:
        nearest = torch.minimum(nearest, (frequency @ beam).abs())
    return nearest > thickness
