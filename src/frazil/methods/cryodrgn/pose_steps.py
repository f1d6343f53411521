"""Poses that follow their gradient while a network learns from their images."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.methods.base import StepContext

_KEPT = 0.99  # of what is known of the information, at each step


class PoseSteps:
    """Fisher's scoring, one step for each image of a batch: down -log p(image), by the mean curvature of all images.

    The expected curvature of a log-likelihood is that of its gradient's outer product, F = E[g g^T]. A move by a pixel
    at the particle's edge counts as one standard deviation beforehand: no step is long where the images say little.
    """

    def __init__(self, length: float, radius: float) -> None:
        """`length` of each step, of Newton's; `radius` of the particle in pixels."""
        self.length = length
        self._beforehand = torch.tensor([radius] * 3 + [1.0] * 2).square().diag()
        self._information, self._seen = torch.zeros(5, 5), 0

    def __call__(self, gradient: Float[Tensor, "batch 5"], context: StepContext) -> Float[Tensor, "batch 5"]:
        """How far this rank's images move, by their gradients: turns in radians, then shifts in pixels."""
        information = gradient.mT @ gradient / len(gradient) / context.world_size
        context.sum_over_ranks([information])
        kept = min(_KEPT, self._seen / (self._seen + 1))
        self._information = kept * self._information + (1 - kept) * information
        self._seen += 1
        return -self.length * torch.linalg.solve(self._information + self._beforehand, gradient, left=False)

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {"information": self._information, "seen": self._seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave, onto the device that this is on."""
        self._information, self._seen = state["information"].to(self._information), state["seen"]

    def to(self, device: torch.device) -> None:
        """Move to a device, in place."""
        self._information, self._beforehand = self._information.to(device), self._beforehand.to(device)
