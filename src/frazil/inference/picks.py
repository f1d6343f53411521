"""From a map of scores to particles: its peaks, no two of which are closer than particles can be."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool2d

from frazil.geometry import Batched


@dataclass(frozen=True)
class Picks(Batched):
    """Places in pixels, the best first."""

    place: Float[Tensor, "count xy"]
    score: Float[Tensor, " count"]


def peaks(score: Float[Tensor, "y x"], distance: float, least: float = 0.01) -> Picks:
    """The peaks of scores above `least`, each the highest within `distance` pixels, found to a part of a pixel.

    Greedily: of two that are too close the higher stays.
    """
    highest = max_pool2d(score[None, None], 3, 1, 1)[0, 0]
    y, x = torch.nonzero((score == highest) & (score > least), as_tuple=True)
    order = score[y, x].argsort(descending=True, stable=True)
    y, x = y[order], x[order]
    place = torch.stack([x + _vertex(score, y, x, 1), y + _vertex(score, y, x, 0)], 1)
    kept: list[int] = []
    free = torch.ones(len(place), dtype=torch.bool, device=place.device)
    for number in range(len(place)):
        if free[number]:
            kept.append(number)
            free &= (place - place[number]).norm(dim=1) >= distance
    rows = torch.tensor(kept, dtype=torch.long, device=place.device)
    return Picks(place[rows], score[y, x][rows])


def _vertex(score: Tensor, y: Tensor, x: Tensor, axis: int) -> Tensor:
    """How far from its pixel a peak lies along an axis: where the parabola through three scores is highest."""
    step = (1, 0) if axis == 0 else (0, 1)
    sides = torch.tensor(score.shape, device=score.device) - 1
    values = []
    for sign in (-1, 0, 1):
        values.append(score[(y + sign * step[0]).clamp(0, int(sides[0])), (x + sign * step[1]).clamp(0, int(sides[1]))])
    before, at, after = values
    curvature = before - 2 * at + after
    offset = torch.where(curvature < 0, (before - after) / (2 * curvature), 0.0)
    return offset.clamp(-0.5, 0.5)
