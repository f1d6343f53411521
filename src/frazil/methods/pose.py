"""The pose encoder: a network that sees how a particle is turned, learnt from images whose poses are known."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from frazil.geometry import rotation_angle, symmetry_rotations
from frazil.inference.pose_grid import PoseGrid
from frazil.methods.base import StepContext, stable_seed
from frazil.methods.one_network import OneNetwork
from frazil.nets.pose_encoder import PoseEncoder


class PosedImages(NamedTuple):
    """Images and the rotations that they show."""

    images: Float[Tensor, "batch box box"]
    rotation: Float[Tensor, "batch 3 3"]


@dataclass(frozen=True)
class PoseConfig:
    """How the pose encoder learns."""

    steps: int = 3000
    """Updates."""
    batch_size: int = 64
    """Images of an update."""
    order: int = 2
    """Spacing of the orientations that are told apart: 60 degrees, halved so many times."""
    rate: float = 1e-3
    """Learning rate of AdamW at first; it falls to 0 as half a wave of a cosine."""
    width: int = 32
    """Channels of the network's first level."""
    shift: int = 2
    """Pixels by which images are moved at most, since picks are not exact."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.width % 8:
            raise ValueError(f"width must be a multiple of 8, not {self.width}")
        if not 0 <= self.order <= 3 or self.shift < 0 or not self.rate > 0:
            raise ValueError(
                f"order must lie in 0 ... 3, shift not be negative and rate be positive, not {self.order},"
                f" {self.shift} and {self.rate:g}"
            )


class PoseLearner(OneNetwork):
    """An encoder that gives each orientation of a grid a probability, judged by images it does not learn from."""

    def __init__(self, config: PoseConfig, box: int, symmetry: str, seed: int, held_out: PosedImages | None) -> None:
        self.config, self._held_out = config, held_out
        self.grid = PoseGrid(config.order, symmetry_rotations(symmetry))
        with torch.random.fork_rng():
            torch.manual_seed(stable_seed(seed, "pose encoder"))
            super().__init__(PoseEncoder(box, len(self.grid), config.width), config.rate, config.steps)

    def update(self, batch: PosedImages, context: StepContext) -> dict[str, Tensor | float]:
        """One step down the cross-entropy of this rank's images, moved and turned by quarters by chance."""
        images, rotation = self._varied(batch, context)
        with context.autocast():
            logit = self.net(images)
        target = self.grid.target(rotation)
        loss = cross_entropy(logit.to(target), target)
        self._descend(loss, context)
        return {"loss": loss.detach()}

    def _varied(self, batch: PosedImages, context: StepContext) -> PosedImages:
        generator, size, most = context.generator("views", device="cpu"), self.config.batch_size, self.config.shift
        turned = quarter_turns(batch, int(torch.randint(4, (1,), generator=generator)))
        by = torch.randint(-most, most + 1, (size, 2), generator=generator)[context.share(size)]
        return PosedImages(_moved(turned.images, by.to(context.device)), turned.rotation)

    @torch.no_grad()
    def guess(self, images: Float[Tensor, "batch box box"]) -> Float[Tensor, "batch 3 3"]:
        """The rotation that each image shows."""
        probability = self.net(images).float().softmax(1)
        return self.grid.guess(probability)

    def errors(self) -> Float[Tensor, " images"] | None:
        """Angles in degrees between guesses and true rotations of the images held out; None where there are none."""
        if self._held_out is None:
            return None
        parts = self._held_out.images.split(self.config.batch_size)
        found = torch.cat([self.guess(part.to(self.device)).cpu() for part in parts])
        equivalent = self._held_out.rotation[:, None] @ self.grid.group.to(self._held_out.rotation)
        return rotation_angle(found[:, None].expand_as(equivalent), equivalent).amin(1)

    def figures(self, context: StepContext) -> dict[str, float]:
        errors = self.errors()
        return {} if errors is None else {"error_deg": float(errors.median())}


def _moved(images: Float[Tensor, "batch box box"], by: Int[Tensor, "batch xy"]) -> Float[Tensor, "batch box box"]:
    """Images moved by whole pixels; what leaves comes in at the opposite edge."""
    box = images.shape[-1]
    columns, rows = ((torch.arange(box, device=by.device) - own[:, None]) % box for own in by.T)
    return images[torch.arange(len(images), device=by.device)[:, None, None], rows[:, :, None], columns[:, None, :]]


def quarter_turns(batch: PosedImages, quarters: int) -> PosedImages:
    """Images turned in their plane by so many right angles, from x to y, about the pixel box // 2."""
    images = batch.images
    for _ in range(quarters % 4):
        # (x, y) to (-y, x): rows, which run along y, become columns. Of an even box the first pixel has no opposite.
        images = images.mT.flip(-1)
        images = images.roll(1, -1) if images.shape[-1] % 2 == 0 else images
    cosine, sine = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][quarters % 4]
    turn = batch.rotation.new_tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    return PosedImages(images, turn @ batch.rotation)
