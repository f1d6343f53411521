"""The classifier of subtomograms: an instrument that says how much labelled volumes teach."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from frazil.geometry import half_turned, half_turns
from frazil.methods.base import StepContext, stable_seed
from frazil.methods.one_network import OneNetwork
from frazil.nets.volume_classifier import VolumeClassifier

_AT_ONCE = 64  # volumes that are looked at together


@dataclass(frozen=True)
class ClassifyConfig:
    """How the classifier learns."""

    steps: int = 1600
    """Updates."""
    batch_size: int = 32
    """Volumes of an update."""
    rate: float = 4e-3
    """Learning rate of AdamW at first; it falls to 0 as half a wave of a cosine."""
    width: int = 16
    """Channels of the network's first level."""
    shift: int = 2
    """Voxels by which volumes are moved along each axis, at most, each time they are shown."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.width % 8:
            raise ValueError(f"width must be a multiple of 8, not {self.width}")
        if not self.rate > 0 or self.shift < 0:
            raise ValueError(f"rate must be positive and shift not negative: {self.rate:g}, {self.shift}")


class SubtomogramClassifier(OneNetwork):
    """A network that is shown labelled volumes, turned by what leaves the missing wedge where it is."""

    def __init__(self, config: ClassifyConfig, classes: int, seed: int) -> None:
        self.config = config
        with torch.random.fork_rng():
            torch.manual_seed(stable_seed(seed, "classifier"))
            self._classifier = VolumeClassifier(classes, config.width)
        super().__init__(self._classifier, config.rate, config.steps)

    def update(
        self, batch: tuple[Float[Tensor, "batch box box box"], Int[Tensor, " batch"]], context: StepContext
    ) -> dict[str, Tensor | float]:
        """One step down the cross-entropy of this rank's volumes."""
        volumes, label = batch
        turns = half_turns(self.config.batch_size, self.config.shift, context.generator("turns", device="cpu"))
        shown = half_turned(volumes, turns[context.share(self.config.batch_size)])
        with context.autocast():
            logit = self.net(shown)
        loss = cross_entropy(logit.float(), label)
        self._descend(loss, context)
        right = (logit.argmax(1) == label).float().mean()
        return {"loss": loss.detach(), "right": right}

    @torch.no_grad()
    def label(self, volumes: Float[Tensor, "count box box box"]) -> Float[Tensor, "count classes"]:
        """How likely each volume is of each class."""
        return torch.cat([self.net(some.to(self.device)).softmax(1).cpu() for some in volumes.split(_AT_ONCE)])

    @torch.no_grad()
    def features(self, volumes: Float[Tensor, "count box box box"]) -> Float[Tensor, "count features"]:
        """What it tells classes by."""
        return torch.cat([self._classifier.features(some.to(self.device)).cpu() for some in volumes.split(_AT_ONCE)])

    def figures(self, context: StepContext) -> dict[str, float]:
        return {}
