"""Every pose of a grid with its probability, none cut away: the expectation step of a start that may be wrong.

A search that follows up the best poses alone finds each image the ones that suit the map as it is, and so keeps its
mistakes. Weighed whole, what a wrong map says little of stays open, and the map that is made from it can turn.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from frazil.geometry import grid_spacing_deg, phase_ramp
from frazil.inference.likelihood import Evidence, FourierDisc, SharedSlices, log_likelihoods
from frazil.inference.pose_search import SHIFT_APART, most_scores, shift_grid

_TOLD_APART = 0.62  # waves that a point at the particle's edge moves by between two rotations of the grid


def finest_shell(box: int, radius: float, order: int) -> int:
    """The last Fourier shell whose detail a rotation grid resolves for a particle of `radius` pixels."""
    waves = radius / box * math.radians(grid_spacing_deg(order))
    return max(2, min((box - 1) // 2, round(_TOLD_APART / waves)))


@dataclass
class GridSums:
    """What all images say of the reference's slices at the grid's rotations."""

    slices: Complex[Tensor, "n points"]
    """Sum of the images, moved back and turned, each times its CTF, its precision and its pose's probability."""
    weight: Float[Tensor, "n points"]
    """The same of the CTF squared."""
    evidence: Tensor
    """Sum over the images of the logarithm of their likelihood, all poses together."""


class GridPosterior:
    """Weighs all poses of a grid for each image, and adds up what the next map is made of.

    `grid` is half of a rotation grid, as for `PoseSearch`. The logarithms of the likelihoods count `strength` times:
    less than 1 lets detail go that the images hardly ask for (Ueda & Nakano, Neural Networks 11:271, 1998).
    """

    def __init__(
        self,
        slices: Complex[Tensor, "n points"],
        disc: FourierDisc,
        max_shift: float,
        scaled: bool = True,
        strength: float = 1.0,
    ) -> None:
        """Slices of the reference at the grid's rotations; `max_shift` in pixels."""
        self._disc, self._scaled, self._strength = disc, scaled, strength
        last = int(disc.shell.max())
        box = disc.inside.shape[0]
        shifts = shift_grid(max_shift, SHIFT_APART * box / last).to(disc.frequency)
        self._back = phase_ramp(shifts, disc.frequency)
        self._shared = SharedSlices.of(slices)
        weight = torch.zeros_like(slices.real)
        self.sums = GridSums(torch.zeros_like(slices), weight, weight.new_zeros(()))

    def at_once(self) -> int:
        """Images whose scores fit into a cache or two."""
        return max(1, most_scores(self._back.device) // (2 * len(self.sums.weight) * len(self._back)))

    @torch.no_grad()
    def add(self, evidence: Evidence) -> None:
        """Weigh some images, and add them to the sums."""
        moved = evidence.matched.conj()[:, None] * self._back
        cross, size = self._shared.products(moved, evidence.power)
        score = log_likelihoods(cross.transpose(1, 2), size[:, None], self._scaled)
        self.sums.evidence += score.flatten(1).logsumexp(1).sum()
        weight = (self._strength * score).flatten(1).softmax(1).view_as(score)
        straight, turned = weight.chunk(2, dim=-1)  # half a turn conjugates, in the images as in the slices
        real = (straight + turned).flatten(0, 1).T @ moved.real.flatten(0, 1)
        imaginary = (turned - straight).flatten(0, 1).T @ moved.imag.flatten(0, 1)
        self.sums.slices += torch.complex(real, imaginary)
        self.sums.weight += (straight + turned).sum(1).T @ evidence.power
