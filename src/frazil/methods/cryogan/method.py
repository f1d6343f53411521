"""CryoGAN (Gupta et al., IEEE TCI 7:759, 2021): two halves of the data, reconstructed side by side."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data import Support
from frazil.methods.base import Method, StepContext, stable_seed
from frazil.methods.cryogan.config import CryoGANConfig
from frazil.methods.cryogan.half import HalfReconstruction
from frazil.methods.cryogan.simulator import HalfConditions
from frazil.methods.side_by_side import SideBySide
from frazil.metrics import (
    FSC,
    HALF_MAPS_AGREE,
    Alignment,
    align,
    apply_alignment,
    fourier_shell_correlation,
    refine_alignment,
)
from frazil.physics import to_fourier_volume

_SEARCH_AGAIN = 0.02  # of correlation that a local alignment may lose before the whole of SO(3) is searched again
_TRUSTED = 500  # steps for which a found alignment is only followed: early halves may agree best on the wrong hand
_AGREE = 0.5  # FSC of halves that agree


class CryoGAN(Method):
    """Two independent reconstructions; they meet only when their resolution is measured.

    The volume lies in the sphere of `support`, and the critic sees images through the circle that the sphere reaches. A
    finer stage begins only where the halves agree (FSC 0.5) to within `reach` times the finest detail that the stage
    before can show: finer images have nothing to add to a map that does not hold what coarser ones show.
    """

    def __init__(
        self,
        config: CryoGANConfig,
        conditions: Sequence[HalfConditions],
        support: Support,
        reach: float = math.inf,
    ) -> None:
        self.config, self._reach = config, reach
        self.fine_enough = False
        self.halves = [HalfReconstruction(config, half, support) for half in conditions]
        self._alignment: Alignment | None = None
        self._searched = 0  # the step at which all alignments were last searched
        self._side_by_side = SideBySide(len(self.halves))

    def update(
        self, batch: Sequence[Float[Tensor, "steps share box box"]], context: StepContext
    ) -> dict[str, Tensor | float]:
        """One step of algorithm 1 in each half; `batch` holds the real images of each, one row for each critic step."""
        self._enter_stage(context)
        generators = [context.generator("cryogan", half) for half in range(len(self.halves))]
        jobs = list(zip(self.halves, batch, generators, strict=True))
        scalars = self._side_by_side.map(lambda job: job[0].update(job[1], context, job[2]), jobs, context)
        if context.step + 1 in [stage.start for stage in self.config.stages] and self._reach < math.inf:
            fsc = self._half_map_fsc(context.step, search=True)
            self.fine_enough = fsc is None or fsc.resolution(_AGREE) > self._reach * self.halves[0].finest
        return {name: torch.stack([half[name] for half in scalars]).mean() for name in scalars[0]}

    def _enter_stage(self, context: StepContext) -> None:
        """In the calling thread: new critics draw from the global generator."""
        stage = self.config.stage(context.step)
        first = context.step == 0
        for number, half in enumerate(self.halves):
            if half.box == stage.box and not first:
                continue
            with torch.random.fork_rng():
                torch.manual_seed(stable_seed(context.seed, "critic", number, stage.box))
                half.begin() if first else half.enter_stage(stage.box, context.generator("stage", number))

    def figures(self, context: StepContext) -> dict[str, float]:
        """Resolution between the half maps at FSC 0.143, after alignment over both hands."""
        fsc = self._half_map_fsc(context.step, search=False)
        return {"half_map_resolution": fsc.resolution(HALF_MAPS_AGREE)} if fsc else {}

    def _half_map_fsc(self, step: int, search: bool) -> FSC | None:
        """How far the halves agree, None for an empty map; `search` all alignments, whatever was found before."""
        first, second = (half.volume() for half in self.halves)
        if not bool(first.abs().amax() > 0 and second.abs().amax() > 0):
            return None
        near = None if search or step >= self._searched + _TRUSTED else self._followed(second, first)
        if near is None:
            self._searched = step
            near = align(second, first, self.halves[0].pixel_size, self.config.symmetry)
        self._alignment = near
        aligned = apply_alignment(second, near, self.halves[0].pixel_size)
        return fourier_shell_correlation(first, aligned, self.halves[0].pixel_size)

    def converged(self) -> bool:
        """The map holds less than the images of a stage that ended: no finer ones are needed."""
        return self.fine_enough

    def _followed(self, moving: Tensor, reference: Tensor) -> Alignment | None:
        """The alignment near the last one, where there is one that is as good."""
        old = self._alignment
        if old is None:
            return None
        near = refine_alignment(moving, reference, self.halves[0].pixel_size, old)
        return near if near.score > old.score - _SEARCH_AGAIN else None

    @torch.no_grad()
    def examples(self, count: int, seed: int) -> Float[Tensor, "count box box"]:
        """Simulated images of the first half as they stand, for a person to hold against real ones."""
        half = self.halves[0]
        generator = torch.Generator(half.device).manual_seed(stable_seed(seed, "examples"))
        return half.simulate(to_fourier_volume(half.volume()), count, slice(None), generator).cpu()

    def stage(self, step: int) -> str:
        """The box of this step."""
        return f"{self.config.stage(step).box} px"

    def state_dict(self) -> dict[str, Any]:
        halves, alignment = [half.state_dict() for half in self.halves], _alignment_state(self._alignment)
        return {
            "halves": halves,
            "alignment": alignment,
            "searched": self._searched,
            "fine_enough": self.fine_enough,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for half, stored in zip(self.halves, state["halves"], strict=True):
            half.load_state_dict(stored)
        self._alignment = Alignment(**state["alignment"]) if state["alignment"] else None
        self._searched, self.fine_enough = state["searched"], state["fine_enough"]

    def to(self, device: torch.device) -> None:
        for half in self.halves:
            half.to(device)


def _alignment_state(alignment: Alignment | None) -> dict[str, Any]:
    return {} if alignment is None else vars(alignment).copy()
