"""cryoDRGN with poses given: a model of all images, and one of each half to say how far it can be trusted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data import ImageBatch, Support
from frazil.geometry import Pose, soft_sphere
from frazil.inference import ParticleImages
from frazil.methods.base import Method, StepContext, stable_seed
from frazil.methods.cryodrgn.centred import CentredImages, Centring
from frazil.methods.cryodrgn.config import CryoDRGNConfig
from frazil.methods.cryodrgn.learner import Learner
from frazil.methods.cryodrgn.model import Latents, autoencoder
from frazil.metrics import fourier_shell_correlation

_JUDGED = 256  # images of each kind by which it is judged whether noise is learnt
_PROBED = 4  # images at whose latents the halves' volumes are compared
_AT_ONCE = 256


@dataclass(frozen=True)
class Split:
    """What a run learns from: all images but those held out; of these, two halves that share nothing."""

    learnt: Int[Tensor, " learnt"]
    held_out: Int[Tensor, " held_out"]
    halves: tuple[Int[Tensor, " first"], Int[Tensor, " second"]] | None

    @property
    def sets(self) -> list[Int[Tensor, " rows"]]:
        """The rows that each model learns from."""
        return [self.learnt, *(self.halves or ())]


class CryoDRGN(Method):
    """Autoencoders of the whole data set and of its halves; the halves' share nothing."""

    def __init__(
        self, config: CryoDRGNConfig, data: ParticleImages, pose: Pose, split: Split, support: Support, seed: int
    ) -> None:
        self.config, self.split = config, split
        self.centring = Centring(data, pose, support.radius / data.pixel_size)
        self.learners = []
        for number in range(len(split.sets)):
            with torch.random.fork_rng():
                torch.manual_seed(stable_seed(seed, "model", number))
                model = autoencoder(config, data.box, self.centring.radius, self.centring.pixels)
            # A half has half the images: with half of them in a step, it sees each as often.
            batch_size = config.batch_size // (2 if number else 1)
            self.learners.append(Learner(config, model, self.centring.disc, batch_size))

    def update(self, batch: Sequence[ImageBatch], context: StepContext) -> dict[str, Tensor | float]:
        """One step of each model on images of its own; the scalars are those of the whole set's."""
        every = [
            learner.update(self.centring(part), context, context.generator("latent", number))
            for number, (learner, part) in enumerate(zip(self.learners, batch, strict=True))
        ]
        return every[0]

    def read(self, rows: Int[Tensor, " batch"]) -> CentredImages:
        """Some images, centred."""
        return self.centring(ImageBatch(rows, self.centring.data.images(rows.cpu())))

    @torch.no_grad()
    def latents(self, rows: Int[Tensor, " rows"], learner: int = 0) -> Latents:
        """What a model makes of some images."""
        parts = [self.learners[learner].model.encode(self.read(part)) for part in rows.split(_AT_ONCE)]
        return Latents(torch.cat([part.mean for part in parts]), torch.cat([part.log_variance for part in parts]))

    def volume(self, latent: Float[Tensor, " latent"], learner: int = 0) -> Float[Tensor, "box box box"]:
        """A model's volume at a latent."""
        return self.learners[learner].model.decoder.volume(latent)

    def figures(self, context: StepContext) -> dict[str, float]:
        """Resolution between the halves' volumes, and what the model explains of images that it has not seen."""
        found = {"half_map_resolution": self.half_map_resolution()} if self.split.halves else {}
        for name, rows in (("gain", self.split.learnt), ("held_out_gain", self.split.held_out)):
            if len(rows):
                found[name] = float(self.learners[0].gain(self.read(rows[:_JUDGED])).mean())
        return found

    def half_map_resolution(self) -> float:
        """FSC 0.143 of the halves' volumes, each half's at its own latents of the same images; the mean of a few."""
        data, radius = self.centring.data, self.centring.radius
        rows = torch.cat([self.split.held_out, self.split.learnt])[:_PROBED]
        sphere = soft_sphere(data.box, radius, 0.1 * radius).to(self.centring.disc.weight)
        found = []
        for latents in zip(*(self.latents(rows, half).mean for half in (1, 2)), strict=True):
            first, second = (self.volume(latent, half) * sphere for half, latent in enumerate(latents, 1))
            found.append(fourier_shell_correlation(first, second, data.pixel_size).resolution(0.143))
        return sum(found) / len(found)

    @property
    def steps_of_epoch(self) -> int:
        """Steps in which the whole set's model sees every image once."""
        return math.ceil(len(self.split.learnt) / self.config.batch_size)

    def stage(self, step: int) -> str:
        """The pass over the images."""
        return f"epoch {step // self.steps_of_epoch + 1}/{self.config.epochs}"

    def state_dict(self) -> dict[str, Any]:
        return {"learners": [learner.state_dict() for learner in self.learners]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for learner, stored in zip(self.learners, state["learners"], strict=True):
            learner.load_state_dict(stored)

    def to(self, device: torch.device) -> None:
        self.centring = self.centring.to(device)
        for learner in self.learners:
            learner.to(self.centring.disc)
