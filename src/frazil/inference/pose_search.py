"""Pose of each image against a reference: every orientation of a coarse grid, then ever finer around the best.

Frequencies grow with the grid: a coarse grid cannot tell apart what differs only in fine
detail (Punjani et al., Nat. Methods 14:290, 2017; Zhong et al., ICLR 2020, section 3.2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import roma
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from frazil.geometry import (
    Pose,
    grid_spacing_deg,
    phase_ramp,
    rotation_angle,
    subdivide_rotations,
)
from frazil.inference.likelihood import Evidence, FourierDisc, SharedSlices, Slices, log_likelihoods

COARSE_ORDER = 3
"""Of the rotation grid that is searched exhaustively, unless told otherwise."""
_TOLD_APART = 0.5  # waves that a point at the particle's edge moves by between two rotations of a level
SHIFT_APART = 0.24  # waves of a level's finest detail between a shift and the nearest tried; half as many at the last
_FINE_ENOUGH = 0.4  # the same, at the last level
_CHILDREN = 8  # of a rotation, at the next level
_NEAR = 3.0  # spacings of the last level: farther away is another peak


def most_scores(device: torch.device) -> int:
    """At once: as many as a processor's cache or two hold, as keep a GPU busy."""
    return 2**21 if device.type == "cpu" else 2**25


def _most_numbers(device: torch.device) -> int:
    """Of the images' own slices, complex, of which there are a few copies: 0.5 GiB each, or 4 on a GPU."""
    return 2**26 if device.type == "cpu" else 2**29


@dataclass(frozen=True)
class SearchLevel:
    """How finely, and in how fine a detail, poses are compared."""

    spacing_deg: float
    last_shell: int
    keep: int
    """Rotations of each image that go on."""
    shifts: Float[Tensor, "shifts xy"]
    """Pixels, from where the level before found the particle."""


@dataclass(frozen=True)
class PosePosterior:
    """What is known of each image's pose: some rotations and shifts, and the probability of each pair."""

    rotation: Float[Tensor, "batch n 3 3"]
    shift: Float[Tensor, "batch shifts xy"]
    """Pixels."""
    weight: Float[Tensor, "batch n shifts"]
    """Sums to 1 for each image."""
    score: Float[Tensor, " batch"]
    """Logarithm of the best pair's likelihood against that of noise alone."""
    slices: Complex[Tensor, "batch n points"]
    """The reference's at those rotations, at the last level's frequencies."""
    spacing_deg: float
    """Between those rotations."""

    def best(self, pixel_size: float) -> Pose:
        """The mean pose around the likeliest rotation: nearer than any on a grid, and blind to other peaks."""
        at = self.weight.sum(-1).argmax(dim=1)
        likeliest = self.rotation[torch.arange(len(at), device=at.device), at, None].expand_as(self.rotation)
        near = rotation_angle(self.rotation, likeliest) < _NEAR * self.spacing_deg
        weight = self.weight * near[..., None]
        weight = weight / weight.sum((1, 2), keepdim=True)
        rotation = roma.special_procrustes((weight.sum(-1)[..., None, None] * self.rotation).sum(1))
        return Pose(rotation, (weight.sum(1)[..., None] * self.shift).sum(1) * pixel_size)


def search_levels(
    box: int,
    last_shell: int,
    radius: float,
    max_shift: float,
    keep: Sequence[int] = (8, 8),
    coarse_order: int = COARSE_ORDER,
) -> list[SearchLevel]:
    """Levels from the coarse grid to the spacing that `last_shell` asks for.

    `radius` of the particle and `max_shift` are in pixels. `keep` holds how many rotations go on after the coarse grid
    and after each further level; the last number stands for all that follow. `coarse_order` is that of the grid which
    is searched exhaustively.
    """
    levels: list[SearchLevel] = []
    reach, waves = max_shift, torch.inf
    while waves > _FINE_ENOUGH:
        spacing = grid_spacing_deg(coarse_order + len(levels))
        per_shell = radius / box * math.radians(spacing)
        waves = last_shell * per_shell
        shell = max(2, min(last_shell, round(_TOLD_APART / per_shell)))
        apart = (SHIFT_APART if waves > _FINE_ENOUGH else SHIFT_APART / 2) * box / shell
        shifts = shift_grid(reach, apart)
        levels.append(SearchLevel(spacing, shell, keep[min(len(levels), len(keep) - 1)], shifts))
        reach = min(reach / 2, apart)
    return levels


def shift_grid(reach: float, apart: float) -> Float[Tensor, "shifts xy"]:
    """Shifts on a triangular lattice, so that none in a circle of radius `reach` is farther than `apart` from one.

    `rings` of the lattice around its centre cover a circle of radius (1.5 rings + 0.5) times that distance; no other
    lattice does with so few points.
    """
    rings = max(1, math.ceil((reach / apart - 0.5) / 1.5)) if reach > 0 else 0
    spacing = math.sqrt(3) * reach / (1.5 * rings + 0.5)
    steps = torch.arange(-rings, rings + 1.0)
    along, across = torch.cartesian_prod(steps, steps).T
    inside = (along + across).abs() <= rings
    return spacing * torch.stack([along + across / 2, across * math.sqrt(3) / 2], dim=1)[inside]


class PoseSearch:
    """Search of one reference, or of a reference for each image: `grid` exhaustively, then its subdivisions.

    `grid` is half of the rotation grid of the first level's spacing, or of its asymmetric unit: each of its rotations
    is also tried after half a turn in the image's plane, which only conjugates the slice. With `scaled` false the
    reference's contrast is unknown, and the best one is taken for every image and pose. Where `slices` are quick but
    rough, those that are left in the end are weighed by `exact` ones. No gradient flows through a search, whatever
    the slices are of.
    """

    @torch.no_grad()
    def __init__(
        self,
        slices: Slices,
        grid: Float[Tensor, "count 3 3"],
        disc: FourierDisc,
        levels: Sequence[SearchLevel],
        scaled: bool = True,
        exact: Slices | None = None,
    ) -> None:
        self._slices, self._disc, self._scaled, self._exact = slices, disc, scaled, exact
        half = grid.to(disc.frequency)
        self._grid = torch.cat([half, half * half.new_tensor([-1.0, -1.0, 1.0])[:, None]])
        self._levels = [replace(level, shifts=level.shifts.to(disc.frequency)) for level in levels]
        # All images are held against these, so they are sampled, and made ready for a product, once.
        coarse = slices(half[None], self._frequency(levels[0]))
        self._shared = SharedSlices.of(coarse[0]) if len(coarse) == 1 else None
        self._coarse = None if self._shared else torch.cat([coarse, coarse.conj()], dim=1)

    def at_once(self) -> int:
        """Images whose scores at the coarse grid fit into a cache or two, and their slices later on into memory."""
        scores = len(self._grid) * len(self._levels[0].shifts)
        slices = [_CHILDREN * before.keep * len(self._frequency(level)) for before, level in pairwise(self._levels)]
        device = self._grid.device
        return max(1, min(most_scores(device) // scores, _most_numbers(device) // max(slices, default=1)))

    @torch.no_grad()
    def __call__(self, evidence: Evidence) -> PosePosterior:
        """Posterior over the poses of some images, all poses being equally likely at first."""
        first, last = self._levels[0], self._levels[-1]
        every = self._grid.expand(len(evidence), -1, 3, 3)
        found = self._compare(evidence, self._coarse, every, self._grid.new_zeros(len(evidence), 2), first)
        for before, level in pairwise(self._levels):
            rotation = subdivide_rotations(found.rotation, before.spacing_deg)
            values = self._slices(rotation, self._frequency(level))
            found = self._compare(evidence, values, rotation, found.best_shift, level)
        if self._exact:
            values = self._exact(found.rotation, self._frequency(last))
            found = self._compare(evidence, values, found.rotation, found.centre, last)
        weight = found.score.flatten(1).softmax(1).view_as(found.score)
        slices = self._slices(found.rotation, self._frequency(last)) if found.slices is None else found.slices
        score = found.score.flatten(1).amax(1)
        return PosePosterior(found.rotation, found.shift, weight, score, slices, last.spacing_deg)

    def _frequency(self, level: SearchLevel) -> Float[Tensor, "points xy"]:
        return self._disc.frequency[self._disc.up_to(level.last_shell)]

    def _compare(
        self,
        evidence: Evidence,
        values: Complex[Tensor, "rows n points"] | None,
        rotation: Float[Tensor, "batch n 3 3"],
        centre: Float[Tensor, "batch xy"],
        level: SearchLevel,
    ) -> "_Found":
        """The rotations that go on from a level, whose shifts count from a centre."""
        evidence = evidence.at(self._disc.up_to(level.last_shell))
        score = self._scores(evidence, values, self._frequency(level), centre, level.shifts)
        at = score.amax(-1).topk(min(level.keep, score.shape[1]), dim=1).indices
        row = torch.arange(len(at), device=at.device)[:, None]
        slices = None if values is None else values.expand(len(at), -1, -1)[row, at]
        return _Found(rotation[row, at], score[row, at], centre, level.shifts, slices)

    def _scores(
        self,
        evidence: Evidence,
        values: Complex[Tensor, "rows n points"] | None,
        frequency: Float[Tensor, "points xy"],
        centre: Float[Tensor, "batch xy"],
        offsets: Float[Tensor, "shifts xy"],
    ) -> Float[Tensor, "batch n shifts"]:
        """Log-likelihood of every rotation and shift, against that of no particle at all.

        Re <y, C S P x> - |C P x|^2 / 2 over the noise's power: all that depends on the pose. The grid's slices, which
        all images share, where `values` is None.
        """
        matched = evidence.matched.conj() * phase_ramp(centre, frequency)
        offset = phase_ramp(offsets, frequency)
        if values is None:
            assert self._shared is not None
            cross, size = self._shared.products(matched[:, None] * offset, evidence.power)
        else:
            product = (values * matched[:, None]).flatten(0, 1)
            cross = (_as_real(product) @ _as_real(offset.conj()).T).unflatten(0, (len(matched), -1))
            # Real and imaginary parts as if they were points: a complex number's own modulus takes a root.
            squares = torch.view_as_real(values).flatten(-2).square()
            size = (squares @ evidence.power.repeat_interleave(2, dim=1)[..., None])[..., 0]
        return log_likelihoods(cross, size[..., None], self._scaled)


@dataclass(frozen=True)
class _Found:
    """What a level hands on."""

    rotation: Float[Tensor, "batch n 3 3"]
    """The best first."""
    score: Float[Tensor, "batch n shifts"]
    centre: Float[Tensor, "batch xy"]
    offsets: Float[Tensor, "shifts xy"]
    slices: Complex[Tensor, "batch n points"] | None
    """The reference's at those rotations; None where all images share them."""

    @property
    def shift(self) -> Float[Tensor, "batch shifts xy"]:
        return self.centre[:, None] + self.offsets

    @property
    def best_shift(self) -> Float[Tensor, "batch xy"]:
        return self.centre + self.offsets[self.score[:, 0].argmax(-1)]


def _as_real(values: Complex[Tensor, "rows points"]) -> Float[Tensor, "rows parts"]:
    """Real and imaginary parts in turns: Re(a b^T) is the product of those of a and of b's conjugate."""
    return torch.view_as_real(values.resolve_conj()).flatten(1)
