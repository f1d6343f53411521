"""A critic and what it is shown: images of one box, real and simulated alike (Gupta et al. 2021, algorithm 1)."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data import Support, background_ring, normalise_by_background
from frazil.geometry import (
    fourier_crop,
    fourier_transform,
    inverse_fourier_transform,
    shell_index,
    soft_sphere,
)
from frazil.losses import ADVERSARIES
from frazil.methods.base import StepContext
from frazil.methods.cryogan.config import CryoGANConfig, rate_factor, waits
from frazil.methods.cryogan.views import dihedral, dihedral_sources, last_shell, smooth, within_disc
from frazil.methods.rates import set_rate
from frazil.methods.step_graph import for_recording, load_optimizer
from frazil.nets import ConvCritic, copy_matching, halvings
from frazil.physics import crop_centre

BETAS = (0.5, 0.9)
"""Of Adam, for critics and volume alike."""
_TAPER = 0.15  # of its radius; what the circle fades over


class StageCritic:
    """The critic of one stage.

    It goes on beside those of finer stages, and each of them moves the volume's finer detail alone: a new critic, which
    has to learn from the start what the coarse one knows, would first spoil what that one has found.
    """

    def __init__(self, config: CryoGANConfig, box: int, pixel_size: float, support: Support) -> None:
        self.config, self.box = config, box
        radius = support.reach / pixel_size
        if "soft-circle" not in config.views:
            self.image_mask = torch.ones(box, box)
        else:
            edge = _TAPER * radius
            side = min(box, 2 * math.ceil(radius + edge))
            self.image_mask = soft_sphere(side, radius, edge, ndim=2)
        self.ring = background_ring(box, pixel_size, support.radius)
        side = len(self.image_mask)
        self._sources = dihedral_sources(side, torch.device("cpu"))
        self.critic = ConvCritic(side, config.critic_width, halvings(side))
        self._adversary = ADVERSARIES[config.adversary]
        self._optimizer = torch.optim.Adam(self.critic.parameters(), betas=BETAS)
        self.device = torch.device("cpu")

    def take_over(self, other: "StageCritic") -> None:
        """Begin with the features that a coarser one has learnt."""
        copy_matching(other.critic.features.state_dict(), self.critic.features)

    # --- what it sees -----------------------------------------------------------------------------------------------

    def view(self, images: Float[Tensor, "batch fine fine"], step: int) -> Float[Tensor, "batch side side"]:
        """Images, of its box or a finer one: cropped to it, blurred while that is asked for, cut to the circle."""
        if images.shape[-1] != self.box:
            images = normalise_by_background(fourier_crop(images, self.box), self.ring)
            images = within_disc(images) if "disc" in self.config.views else images
        sigma = self.config.smoothing * (1 - step / sum(self.config.steps))
        return crop_centre(smooth(images, sigma), len(self.image_mask)) * self.image_mask

    def _turn(self, images: Tensor, context: StepContext, generator: torch.Generator) -> Tensor:
        count = self._joined(context)
        element = torch.randint(8, (count,), generator=generator, device=self.device)
        return dihedral(images, self._sources, element[context.share(count)])

    def _joined(self, context: StepContext) -> int:
        return self.config.stage(context.step).batch_size

    # --- what it learns ---------------------------------------------------------------------------------------------

    def set_rate(self, step: int) -> None:
        """The rate of a step: all of it while the volume waits for a critic of this stage."""
        waited_for = waits(self.config, step) and self.box == self.config.stage(step).box
        (group,) = self._optimizer.param_groups
        set_rate(group, (1.0 if waited_for else rate_factor(self.config, step)) * self.config.critic_rate)

    def learn(
        self,
        real: Float[Tensor, "share fine fine"],
        fake: Float[Tensor, "share fine fine"],
        context: StepContext,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """One step of the critic on this rank's share of a batch."""
        real, fake = self.view(real, context.step), self.view(fake, context.step)
        count = self._joined(context)
        if "dihedral" in self.config.views:
            real, fake = (self._turn(images, context, generator) for images in (real, fake))
        scores = self._score(torch.cat([real, fake]), context)
        distance = self._adversary.distance(*scores.chunk(2))
        weight = torch.rand(count, generator=generator, device=self.device)[context.share(count)]
        part = self._penalised(len(real), context)
        # In single precision whatever the run's: a gradient of a gradient in bfloat16 is mostly rounding.
        penalty = self._adversary.penalty(self.critic, real[part], fake[part], weight[part])
        context.descend(self._optimizer, self.config.penalty_weight * penalty - distance)
        return {"critic_distance": distance.detach(), "penalty": penalty.detach()}

    def _penalised(self, share: int, context: StepContext) -> slice:
        """Every n-th image: the same ones of the joined batch, however many ranks share it."""
        stride = self.config.penalty_stride
        if context.world_size > 1 and share % stride:
            raise ValueError(
                f"{context.world_size} ranks have {share} images each, of which the penalty takes one in {stride}:"
                f" give a batch size that is a multiple of {stride * context.world_size}"
            )
        return slice(None, None, stride)

    def volume_loss(
        self, fake: Float[Tensor, "share fine fine"], coarser: "StageCritic | None", context: StepContext
    ) -> Float[Tensor, ""]:
        """What the volume makes small by detail that a coarser one does not see."""
        if coarser is not None:
            box = fake.shape[-1]
            low = fourier_transform(fake) * (shell_index(box, device=fake.device) <= last_shell(coarser.box))
            seen = inverse_fourier_transform(low, box)
            fake = fake - seen + seen.detach()
        return self._adversary.generator_loss(self._score(self.view(fake, context.step), context))

    def _score(self, images: Tensor, context: StepContext) -> Tensor:
        with context.autocast():
            return self.critic(images).float()

    # --- storing ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All that its next step depends on."""
        return {"critic": self.critic.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.critic.load_state_dict(state["critic"])
        load_optimizer(self._optimizer, state["optimizer"], self.device)

    def to(self, device: torch.device) -> "StageCritic":
        """Itself, on another device."""
        state = self.state_dict()
        self.device = device
        self.critic.to(device)
        self._optimizer = torch.optim.Adam(self.critic.parameters(), betas=BETAS)
        for_recording(self._optimizer, device)
        for name in ("image_mask", "ring", "_sources"):
            setattr(self, name, getattr(self, name).to(device))
        self.load_state_dict(state)
        return self
