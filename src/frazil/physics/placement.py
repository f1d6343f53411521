"""Where particles lie on a micrograph: by chance, and no two too close."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree
from torch import Tensor

_ROUNDS = 200  # of new places for the particles that found none, after which the field counts as full
_AT_ONCE = 2  # places tried in a round for each particle that is still to be placed
_JAM = 0.5  # of a field's area, up to which discs find room that fall one after the other
_DENSEST = 0.75  # of a field's area that discs are asked to cover, where pushes still part them within seconds
_PUSHES, _BEYOND = 500, 1.01  # of overlapping discs at most, and to what multiple of their least distance


@dataclass(frozen=True)
class Crowd:
    """How many particles lie on a micrograph, and how close."""

    mean: float
    """Particles on a micrograph on average."""
    deviation: float
    """Standard deviation of their number, which is cut at two of them (Zhang et al. 2024, section 3.1)."""
    distance: float
    """Least distance of two centres in angstrom."""

    def draw_count(self, generator: torch.Generator) -> int:
        """The number of particles on one micrograph."""
        edge = torch.special.ndtr(torch.tensor(2.0, dtype=torch.float64))
        uniform = torch.rand(1, generator=generator, device=generator.device, dtype=torch.float64)
        quantile = 1 - edge + (2 * edge - 1) * uniform
        return max(0, round(self.mean + self.deviation * float(torch.special.ndtri(quantile))))


def places_of_particles(
    size: tuple[int, int], distance: float, count: int, generator: torch.Generator
) -> Float[Tensor, "count xy"]:
    """Up to `count` places on a field of (x, y) pixels, no two closer than `distance` pixels.

    Uniform else, as darts fall; but where those jam, at half the field's area, particles lie as on a crowded
    micrograph: most touch another, and there are gaps elsewhere.
    """
    if count * distance**2 * math.pi / 4 < _JAM * size[0] * size[1]:
        return poisson_disc(size, distance, count, generator)
    packed = pushed_apart(size, distance, count, generator)
    if len(packed) == count:
        return packed
    darts = poisson_disc(size, distance, count, generator)  # a small field holds more, beyond whose edges they reach
    return max(packed, darts, key=len)


def pushed_apart(
    size: tuple[int, int], distance: float, count: int, generator: torch.Generator
) -> Float[Tensor, "count xy"]:
    """Up to `count` discs that fell anywhere, and pushed those that they fell on aside until all just touch.

    Fewer than asked for beyond three quarters of the field's area. The field's edges meet while they are pushed, so
    that they lie as densely there as elsewhere.
    """
    sides = np.array(size, float)
    count = min(count, int(_DENSEST * sides.prod() / (math.pi * distance**2 / 4)))
    anywhere = torch.rand(count, 2, generator=generator, device=generator.device)
    places = sides * anywhere.double().cpu().numpy()
    for _ in range(_PUSHES):
        pairs = cKDTree(places, boxsize=sides).query_pairs(_BEYOND * distance, output_type="ndarray")
        apart = places[pairs[:, 0]] - places[pairs[:, 1]]
        apart -= sides * np.round(apart / sides)
        length = np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-9)
        if length.min(initial=np.inf) > distance + 1e-3:
            break
        push = (_BEYOND * distance - length) / (2 * length) * apart
        np.add.at(places, pairs[:, 0], push)
        np.subtract.at(places, pairs[:, 1], push)
        places = np.mod(places, sides)
        places[places >= sides] = 0.0  # of a negative rounding error
    found = torch.from_numpy(places - 0.5).float().to(generator.device)
    return found[_firsts(_distance(found, found) < distance)]


def poisson_disc(
    size: tuple[int, int], distance: float, count: int, generator: torch.Generator
) -> Float[Tensor, "count xy"]:
    """Up to `count` places on a field of (x, y) pixels, no two closer than `distance` pixels; uniform else.

    Fewer where no more find room. Places are drawn in rounds; of those that are in each other's way, the first drawn
    stays (dart throwing, Cook, ACM Trans. Graph. 5:51, 1986).
    """
    placed = torch.empty(0, 2, device=generator.device)
    # Half a pixel beyond the centres of the outermost pixels the field ends.
    sides = torch.tensor(size, device=generator.device, dtype=torch.float32)
    for _ in range(_ROUNDS):
        missing = count - len(placed)
        if not missing:
            break
        tried = sides * torch.rand(_AT_ONCE * missing, 2, generator=generator, device=generator.device) - 0.5
        tried = tried[(_distance(tried, placed) >= distance).all(1)]
        placed = torch.cat([placed, tried[_firsts(_distance(tried, tried) < distance)][:missing]])
    return placed


def _firsts(close: Bool[Tensor, "count count"]) -> Bool[Tensor, " count"]:
    """Which of some points stay when, one after the other, each is dropped that is close to one that stays."""
    before = close.tril(-1)
    kept = torch.ones(len(close), dtype=torch.bool, device=close.device)
    # Each turn settles the points after those that are settled: the first has none before it.
    while not torch.equal(kept, again := ~(before & kept).any(1)):
        kept = again
    return kept


def _distance(first: Float[Tensor, "first xy"], second: Float[Tensor, "second xy"]) -> Float[Tensor, "first second"]:
    # Not by a product of matrices, whose rounding depends on the number of threads.
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")
