"""Half-set refinement by expectation and maximisation (Scheres, J. Mol. Biol. 415:406, 2012), from a rough map."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data import Support
from frazil.geometry import (
    asymmetric_views,
    fourier_transform,
    grid_spacing_deg,
    half_turn_grid,
    inverse_fourier_transform,
    shell_index,
    symmetry_rotations,
)
from frazil.inference import (
    COARSE_ORDER,
    FourierDisc,
    GridPosterior,
    ParticleImages,
    PoseSearch,
    finest_shell,
    search_levels,
)
from frazil.methods.base import Method, StepContext, stable_seed
from frazil.methods.refine.config import RefineConfig
from frazil.methods.refine.half import Expectation, HalfRefinement, Weighed
from frazil.methods.side_by_side import SideBySide
from frazil.metrics import HALF_MAPS_AGREE, fourier_shell_correlation
from frazil.physics import BackProjection, SpectrumTable, cut_off, sample_slices, to_fourier_volume

_STORED = ("last_shell", "resolution", "furthest", "best_score", "stalled", "annealing", "annealed_in", "refined")
_AHEAD = 1.25  # times the resolution that the halves agree on, to where images are compared next
_HARDLY = 1e-3  # of a shell's mean weight: what keeps an unfiltered map finite where no image looked
_PATIENCE = 2  # iterations without gain, after which poses and maps have converged
_LIKELIER = 1.005  # times the best mean score so far: less is no gain
_WARMEST, _COOLING = 0.05, 1.2  # strength of the likelihood at first, and its growth: what is wrong in the start melts
_ANNEALED = 2500  # images of each half that are annealed
_MOST_POSES = 2500  # of half a grid that are weighed for each of them
_STEADY, _COLD = 1e-4, 20  # gain of the evidence that is none, after so many iterations: the last at full strength
_TRUSTED = 1.5  # times the detail that was annealed at, to where the halves share it
_MOST_SIGNAL = 0.999  # of the FSC, which says how much a shell of the map is believed

_Found = TypeVar("_Found", Expectation, Weighed)


class Refine(Method):
    """Two half maps refined side by side; what they agree on says how far each may be believed."""

    ends_early = True
    agree_every = 1  # a step is an iteration over all images

    def __init__(
        self,
        config: RefineConfig,
        data: Sequence[ParticleImages],
        start: Sequence[Float[Tensor, "box box box"]],
        support: Support,
    ) -> None:
        """`start` holds a map for each half."""
        self.config = config
        self._group = symmetry_rotations(config.symmetry)
        self._box, self._pixel_size = data[0].box, data[0].pixel_size
        self._radius, self._max_shift = support.radius / self._pixel_size, support.max_shift / self._pixel_size
        self.halves = [
            HalfRefinement(half, cut_off(volume, self._pixel_size, config.start_resolution), self._radius)
            for half, volume in zip(data, start, strict=True)
        ]
        self.last_shell = self._shell(config.start_resolution)
        self.resolution = config.start_resolution
        self.furthest, self.best_score, self.stalled = self.last_shell, 0.0, 0
        self.annealing, self.annealed_in, self.refined = config.anneal > 0, 0, 0
        self._grid = self._unit_grid(COARSE_ORDER)
        self._annealing_grid, order = self._grid, COARSE_ORDER
        while len(self._annealing_grid) > _MOST_POSES:
            order -= 1
            self._annealing_grid = self._unit_grid(order)
        if self.annealing:
            self.last_shell = finest_shell(self._box, self._radius, order)
        self._side_by_side = SideBySide(len(self.halves))

    def _unit_grid(self, order: int) -> Float[Tensor, "n 3 3"]:
        """Half of a rotation grid's asymmetric unit, and half a spacing more, lest a pose be far from all of it."""
        return asymmetric_views(half_turn_grid(order), self._group, grid_spacing_deg(order) / 2)

    def _shell(self, resolution: float) -> int:
        ahead = round(_AHEAD * self._box * self._pixel_size / resolution) + 1
        return min(ahead, (self._box - 1) // 2)

    def update(self, batch: Any, context: StepContext) -> dict[str, Tensor | float]:
        """One iteration: poses from the maps, maps from the poses. The halves bring their own images, not `batch`."""
        return self._anneal(context) if self.annealing else self._refine(context)

    def _refine(self, context: StepContext) -> dict[str, Tensor | float]:
        disc = FourierDisc.of(self.last_shell, like=self.halves[0].volume)
        levels = search_levels(self._box, self.last_shell, self._radius, self._max_shift, self.config.keep)
        scaled = context.step > 0  # a start has units of its own

        def make_search(volume: Tensor) -> PoseSearch:
            exact = partial(sample_slices, to_fourier_volume(volume))
            if not self.config.quick:
                return PoseSearch(exact, self._grid, disc, levels, scaled)
            return PoseSearch(SpectrumTable.of(volume).slices, self._grid, disc, levels, scaled, exact)

        found = self._every_half(lambda half: half.expect(make_search, disc, _own(half, context)), context)
        for half, part in zip(self.halves, found, strict=True):
            half.pose, half.score, half.certainty = part.pose, part.score, part.certainty
            half.noise = disc.shell_means(part.noise(scaled))
        self._maximise(found)
        joined = {name: torch.cat([getattr(half, name) for half in self.halves]) for name in ("score", "certainty")}
        means = {name: values.mean() for name, values in joined.items()}
        if scaled:
            self._note_gain(float(means["score"]))
        self.refined += 1
        return {**means}

    def _every_half(self, run: Callable[[HalfRefinement], _Found], context: StepContext) -> list[_Found]:
        """What each half finds in its images, all ranks' together."""
        found = self._side_by_side.map(run, self.halves, context)
        context.sum_over_ranks([tensor for part in found for tensor in part.tensors()])
        return found

    def _anneal(self, context: StepContext) -> dict[str, Tensor | float]:
        """One iteration of all images together, in which every pose of the coarse grid has its part."""
        disc = FourierDisc.of(self.last_shell, like=self.halves[0].volume)
        strength = min(1.0, _WARMEST * _COOLING**context.step)

        def posterior(slices: Tensor) -> GridPosterior:
            return GridPosterior(slices, disc, self._max_shift, context.step > 0, strength)

        every = math.ceil(max(half.data.count for half in self.halves) / _ANNEALED)
        found = self._every_half(
            lambda half: half.weigh(posterior, self._annealing_grid, disc, _own(half, context, every)), context
        )
        for half, part in zip(self.halves, found, strict=True):
            half.noise = disc.shell_means(part.noise / part.count)
        volume = self._joint_map([part.sums.symmetrised(self._group) for part in found])
        evidence = float(sum(part.evidence for part in found) / sum(part.count for part in found))
        gain, self.best_score = evidence - self.best_score, evidence
        self.annealed_in += 1
        if self.annealed_in == self.config.anneal or (self.annealed_in >= _COLD and gain < _STEADY * evidence):
            volume = self._part(volume)
        for half in self.halves:
            half.volume = volume.clone()
        return {"evidence": evidence}

    def _joint_map(self, sums: Sequence[BackProjection]) -> Float[Tensor, "box box box"]:
        """Map of all images, filtered by what the halves' agreement says of their mean."""
        maps = [self._seen(part.volume(_HARDLY * part.shell_means()) * self.halves[0].sphere) for part in sums]
        half = fourier_shell_correlation(maps[0], maps[1], self._pixel_size).correlation.clamp(1e-4, _MOST_SIGNAL)
        believed = 2 * half / (1 + half)
        joint = BackProjection(sums[0].sums + sums[1].sums, self._box)
        return self._seen(joint.volume(joint.shell_means() * (1 - believed) / believed) * self.halves[0].sphere)

    def _part(self, volume: Float[Tensor, "box box box"]) -> Float[Tensor, "box box box"]:
        """From here on the halves go their own ways, from what they may share of the map."""
        shared = _TRUSTED * self._box * self._pixel_size / self.last_shell
        self.annealing, self.best_score = False, 0.0
        self.last_shell = self.furthest = self._shell(shared)
        return cut_off(volume, self._pixel_size, shared)

    def _note_gain(self, score: float) -> None:
        """Count the iterations that have gained nothing, neither detail nor likelihood."""
        gained = self.last_shell > self.furthest or score > _LIKELIER * self.best_score
        self.stalled = 0 if gained else self.stalled + 1
        self.furthest, self.best_score = max(self.furthest, self.last_shell), max(self.best_score, score)

    def converged(self) -> bool:
        """The halves agree no further, nor have the poses become likelier, for two iterations; one at Nyquist."""
        patience = 1 if self.furthest == (self._box - 1) // 2 else _PATIENCE
        return self.refined == self.config.iterations or self.stalled >= patience

    def _maximise(self, found: Sequence[Expectation]) -> None:
        """New maps: unfiltered for the FSC, and as far as it lets them be believed for the next search."""
        sums = [half.sums.symmetrised(self._group) for half in found]
        weights = [half.shell_means() for half in sums]
        for half, part, weight in zip(self.halves, sums, weights, strict=True):
            half.map = self._seen(part.volume(_HARDLY * weight) * half.sphere)
        fsc = fourier_shell_correlation(self.halves[0].map, self.halves[1].map, self._pixel_size)
        # Beyond the last shell there is only rounding, which correlates as it likes.
        seen = torch.arange(len(fsc.correlation), device=fsc.correlation.device) <= self.last_shell
        fsc = replace(fsc, correlation=torch.where(seen, fsc.correlation, 0.0))
        believed = fsc.correlation.clamp(1e-4, _MOST_SIGNAL)
        for half, part, weight in zip(self.halves, sums, weights, strict=True):
            half.volume = self._seen(part.volume(weight * (1 - believed) / believed) * half.sphere)
        self.resolution = fsc.resolution(HALF_MAPS_AGREE)
        self.last_shell = self._shell(self.resolution)

    def _seen(self, volume: Float[Tensor, "box box box"]) -> Float[Tensor, "box box box"]:
        """Nothing beyond the shell to which images were compared.

        What interpolation and the sphere's edge spread there is the same in both halves, and would look like signal.
        """
        shell = shell_index(self._box, 3, device=volume.device)
        return inverse_fourier_transform(fourier_transform(volume, 3) * (shell <= self.last_shell), self._box, 3)

    def figures(self, context: StepContext) -> dict[str, float]:
        """Resolution between the half maps at FSC 0.143, once they have parted."""
        return {"half_map_resolution": self.resolution} if self.refined else {}

    def stage(self, step: int) -> str:
        """The detail to which images are compared."""
        detail = f"to {self._box * self._pixel_size / self.last_shell:.1f} A"
        return f"annealing, {detail}" if self.annealing else detail

    @torch.no_grad()
    def examples(self, count: int, seed: int) -> Float[Tensor, "count box box"]:
        """Images of the first half as its map would have them."""
        half = self.halves[0]
        return half.examples(count, torch.Generator().manual_seed(stable_seed(seed, "examples")))

    def state_dict(self) -> dict[str, Any]:
        halves = [half.state_dict() for half in self.halves]
        return {"halves": halves, **{name: getattr(self, name) for name in _STORED}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for half, stored in zip(self.halves, state["halves"], strict=True):
            half.load_state_dict(stored)
        for name in _STORED:
            setattr(self, name, state[name])

    def to(self, device: torch.device) -> None:
        self._group, self._grid = self._group.to(device), self._grid.to(device)
        self._annealing_grid = self._annealing_grid.to(device)
        for half in self.halves:
            half.to(device)


def _own(half: HalfRefinement, context: StepContext, every: int = 1) -> Int[Tensor, " rows"]:
    """This rank's share of a half's images, or of every n-th of them."""
    count = math.ceil(half.data.count / every)
    return every * torch.arange(context.rank, count, context.world_size, device=context.device)
