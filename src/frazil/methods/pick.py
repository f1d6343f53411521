"""The picker: a network that finds the centres of particles, learnt from micrographs whose particles are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.micrograph_crops import Crops, KnownMicrograph
from frazil.inference.picks import Picks, peaks
from frazil.losses.centres import centre_loss
from frazil.methods.base import StepContext, stable_seed
from frazil.methods.one_network import OneNetwork
from frazil.metrics.picking import PrecisionRecall, precision_recall
from frazil.nets.picker import PickerNet

_CONTRAST = 0.2  # by how much, in logarithms, the contrast of crops is varied
_MATCHED = 0.25  # of the diameter, within which a pick is right while the network is judged


@dataclass(frozen=True)
class PickConfig:
    """How the picker learns."""

    steps: int = 1500
    """Updates."""
    batch_size: int = 8
    """Crops of an update."""
    crop: int = 128
    """Side of the crops in pixels of the network, in which a particle is --particle-px wide."""
    particle_px: float = 20.0
    """Pixels across a particle in what the network sees: micrographs are scaled to it."""
    rate: float = 2e-3
    """Learning rate of AdamW at first; it falls to 0 as half a wave of a cosine."""
    width: int = 16
    """Channels of the network's first level."""
    depth: int = 3
    """Halvings of its input."""
    nearest: float = 0.5
    """Least distance of two picks, in diameters: side by side particles may overlap in depth."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "particle_px", "width", "depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.width % 8:
            raise ValueError(f"width must be a multiple of 8, not {self.width}")
        if self.crop < 2 * self.particle_px:
            raise ValueError(f"crop must hold two particles of {self.particle_px:g} px side by side, it is {self.crop}")
        if self.crop < 2 * 2**self.depth:
            raise ValueError(f"crop must be {2 * 2**self.depth} or more for {self.depth} halvings, it is {self.crop}")
        if not 0 < self.nearest <= 2:
            raise ValueError(f"nearest must lie in 0 ... 2, it is {self.nearest:g}")


class Picker(OneNetwork):
    """A network that is shown crops, and judged by micrographs that it never learns from."""

    def __init__(self, config: PickConfig, held_out: Sequence[KnownMicrograph], seed: int) -> None:
        self.config, self._held_out = config, held_out
        with torch.random.fork_rng():
            torch.manual_seed(stable_seed(seed, "picker"))
            super().__init__(PickerNet(config.width, config.depth), config.rate, config.steps)

    def update(self, batch: Crops, context: StepContext) -> dict[str, Tensor | float]:
        """One step down the loss of this rank's crops."""
        size = self.config.batch_size
        chance = torch.randn(size, 1, 1, generator=context.generator("contrast"), device=context.device)
        images = torch.exp(_CONTRAST * chance[context.share(size)]) * batch.images
        with context.autocast():
            logit = self.net(images)
        truth = self._within(batch.truth)
        centres = (truth == 1).sum().float()
        context.sum_over_ranks([centres])
        loss = centre_loss(self._within(logit.float()), truth, centres / context.world_size)
        self._descend(loss, context)
        return {"loss": loss.detach()}

    def _within(self, crops: Float[Tensor, "batch _y _x"]) -> Float[Tensor, "batch _inner_y _inner_x"]:
        """Crops without their rim, where half a particle is out of sight that a whole micrograph would show."""
        rim = round(self.config.particle_px / 2)
        return crops[:, rim:-rim, rim:-rim]

    @torch.no_grad()
    def scores(self, image: Float[Tensor, "y x"]) -> Float[Tensor, "y x"]:
        """How likely each pixel of a micrograph at the network's scale holds a centre.

        The mean over the eight ways in which it can be turned and mirrored: what looks like a particle one way alone
        is none.
        """
        total = torch.zeros_like(image)
        for quarters in range(4):
            turned = torch.rot90(image, quarters)
            for axes in ((), (1,)):
                seen = self.net(turned.flip(axes)[None].to(self.device))[0].sigmoid().cpu()
                total += torch.rot90(seen.flip(axes), -quarters)
        return total / 8

    def pick(self, image: Float[Tensor, "y x"]) -> Picks:
        """The particles of a micrograph at the network's scale."""
        return peaks(self.scores(image), self.config.nearest * self.config.particle_px)

    def judge(self) -> PrecisionRecall | None:
        """Picks of the micrographs held out against what is known of them; None where there are none."""
        if not self._held_out:
            return None
        picks: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for known in self._held_out:
            found = self.pick(known.seen.image)
            picks[known.seen.name] = (found.place.double().numpy(), found.score.double().numpy())
        truth = {known.seen.name: known.places.double().numpy() for known in self._held_out}
        return precision_recall(picks, truth, _MATCHED * self.config.particle_px)

    def figures(self, context: StepContext) -> dict[str, float]:
        judged = self.judge()
        return {} if judged is None else {"held_out_auprc": judged.area, "held_out_f1": judged.f1}
