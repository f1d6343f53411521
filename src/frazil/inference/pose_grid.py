"""From the probabilities of a grid's orientations to one, and the way back."""

import math

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import grid_spacing_deg, rotation_grid
from frazil.geometry.symmetry import asymmetric_unit

_SPREAD = 0.5  # of the grid's spacing: how far a neighbour still counts as the true orientation (standard deviation)
_NEAR = 1.6  # spacings from the likeliest orientation, within which the mean is taken


class PoseGrid:
    """A rotation grid without the orientations that a point group makes alike; equivalents of R are R g."""

    def __init__(self, order: int, group: Float[Tensor, "operations 3 3"]) -> None:
        self.group = group
        self.spacing = grid_spacing_deg(order)
        self.rotation = asymmetric_unit(rotation_grid(order), group, margin_deg=0.0)

    def __len__(self) -> int:
        return len(self.rotation)

    def _cosines(self, rotation: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "batch grid operations"]:
        """Of the angles between rotations and all equivalents of the grid's."""
        grid, group = self.rotation.to(rotation), self.group.to(rotation)
        equivalent = torch.einsum("nij,gjk->ngik", grid, group).flatten(2)
        trace = torch.einsum("bx,ngx->bng", rotation.flatten(1), equivalent)
        return ((trace - 1) / 2).clamp(-1, 1)

    def target(self, rotation: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "batch grid"]:
        """Probabilities that an encoder shall give to true rotations."""
        angle = torch.rad2deg(torch.acos(self._cosines(rotation).amax(-1)))
        return (-angle.square() / (2 * (_SPREAD * self.spacing) ** 2)).softmax(1)

    def guess(self, probability: Float[Tensor, "batch grid"]) -> Float[Tensor, "batch 3 3"]:
        """The mean of the orientations around the likeliest one, by their probabilities."""
        grid, group = self.rotation.to(probability), self.group.to(probability)
        best = grid[probability.argmax(1)]
        cosine, operation = self._cosines(best).max(-1)
        weight = probability * (cosine > math.cos(math.radians(_NEAR * self.spacing)))
        # Each neighbour by its equivalent that is nearest to the best.
        near = grid @ group[operation]
        return roma.special_procrustes((weight[..., None, None] * near).sum(1))
