"""One model that learns from its own images, and the noise that it leaves unexplained."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from frazil.geometry import Batched
from frazil.inference import FourierDisc
from frazil.losses import ReconstructionError, divergence_from_normal
from frazil.methods.base import Autocast, StepContext
from frazil.methods.cryodrgn.centred import CentredImages
from frazil.methods.cryodrgn.config import CryoDRGNConfig, Pace
from frazil.methods.cryodrgn.image_model import ImageModel, Latents

_FIRST, _LONGER, _SHORTER = 0.5, 1.5, 3.0  # of Newton's step; its growth after a gain, its fall after none
_SETTLING = 3  # such steps
_SPREAD = 0.01  # of the images' strengths, a variance, at first
_KEPT = 0.99  # of what is known of the noise, at each step


class Learner:
    """A model, its optimizer, and the power of the noise by shell."""

    def __init__(self, config: CryoDRGNConfig, model: ImageModel, disc: FourierDisc, batch_size: int) -> None:
        self.model, self.disc, self.batch_size = model, disc, batch_size
        self.optimizer = model.optimizer()
        self.noise = torch.zeros(len(disc.inside) // 2 + 1)
        self.spread = torch.tensor(_SPREAD if config.scales else 0.0)
        self._latent_dim, self._beta, self._scales = config.latent_dim, config.divergence_weight, config.scales

    def update(
        self, images: CentredImages, pace: Pace, context: StepContext, generator: torch.Generator
    ) -> dict[str, Tensor | float]:
        """One step down the negative evidence lower bound of this rank's images."""
        shape = (self.batch_size, self._latent_dim)
        noise = torch.randn(shape, generator=generator, device=context.device)[context.share(self.batch_size)]
        with context.autocast():
            latents, expected = self.model(images, self.disc.frequency, self.precision, noise)
        self._note(images.spectrum.detach(), expected.detach(), context)
        divergence = divergence_from_normal(latents.mean, latents.log_variance)
        loss = (self._error(images, expected) + pace.beta * divergence).mean()
        moments = self.model.moments(images, latents, self.disc.frequency, self.precision)
        moments = [moment / context.world_size for moment in moments]
        context.sum_over_ranks(moments)
        for group in self.optimizer.param_groups:
            group.update(lr=pace.rate, moments=moments)
        context.descend(self.optimizer, loss)
        told = {"loss": loss.detach(), "divergence": divergence.detach().mean()}
        return {**told, "strength_varies": self.spread.sqrt()}

    @property
    def precision(self) -> Float[Tensor, " points"]:
        """How much an error at each of the disc's points counts; 0 where no noise is known yet."""
        noise = self.noise[self.disc.shell]
        return torch.where(noise > 0, self.disc.weight / noise, 0.0)

    def _error(self, images: CentredImages, expected: Complex[Tensor, "batch points"]) -> Float[Tensor, " batch"]:
        return ReconstructionError.of(images.spectrum, expected, self.precision, self.spread).loss

    def _note(
        self, observed: Complex[Tensor, "batch points"], expected: Complex[Tensor, "batch points"], context: StepContext
    ) -> None:
        """The likeliest noise is what the model leaves, the likeliest spread of the images' strengths what they have.

        Means over the last hundred steps; the spread's is a step of expectation-maximisation.
        """
        kept = min(_KEPT, context.step / (context.step + 1))
        strength = observed.real.new_ones(len(observed))
        if self._scales and context.step:
            found = ReconstructionError.of(observed, expected, self.precision, self.spread).strength
            strength = found.mean
            average = strength.mean() / context.world_size
            context.sum_over_ranks([average])
            # Around their average: one that all share is the volume's to learn.
            spread = ((strength - average).square() + found.variance).mean() / context.world_size
            context.sum_over_ranks([spread])
            self.spread = _KEPT * self.spread + (1 - _KEPT) * spread
        power = (observed - strength[:, None] * expected).abs().square().mean(0) * self.disc.weight
        sums = torch.zeros_like(self.noise).index_add_(0, self.disc.shell, power)
        context.sum_over_ranks([sums])
        self.noise = kept * self.noise + (1 - kept) * self.disc.shell_means(sums) / context.world_size

    def encode(self, images: CentredImages) -> Latents:
        """What the model makes of images at first sight."""
        return self.model.encode(images, self.disc.frequency, self.precision)

    def settle(self, images: CentredImages, autocast: Autocast = nullcontext) -> Latents:
        """Latents likelier under the decoder as it is than the guess of the encoder, which has to do for all images.

        A few of Newton's steps, by the curvature that the guessed variance tells; one that makes an image less likely
        is taken back, and its next is shorter.
        """
        with torch.no_grad(), autocast():
            guess = self.encode(images)
        if not self._latent_dim or self.model.exact:
            return guess
        best = self._steepness(guess.mean, images, autocast)
        curvature = self._beta * ((-guess.log_variance).exp() - 1) + 1
        length = torch.full_like(best.loss, _FIRST)
        for _ in range(_SETTLING):
            step = length[:, None] * best.gradient / curvature.clamp(min=1)
            tried = self._steepness(best.latent - step, images, autocast)
            better = tried.loss < best.loss
            length = torch.where(better, _LONGER * length, length / _SHORTER)
            best = best.or_where(better, tried)
        return Latents(best.latent, guess.log_variance)

    def _steepness(
        self, latent: Float[Tensor, "batch latent"], images: CentredImages, autocast: Autocast
    ) -> "_Steepness":
        """-log p(image, latent) at some latents."""
        latent = latent.detach().requires_grad_()
        with autocast():
            expected = self.model.expect(latent, images, self.disc.frequency)
        loss = self._error(images, expected) + 0.5 * latent.square().sum(1)
        (gradient,) = torch.autograd.grad(loss.sum(), latent)
        return _Steepness(latent.detach(), loss.detach(), gradient)

    @torch.no_grad()
    def gain(self, images: CentredImages, autocast: Autocast = nullcontext) -> Float[Tensor, " batch"]:
        """By how much the model, at each latent's mean, makes the image likelier than noise alone does."""
        with autocast():
            _, expected = self.model(images, self.disc.frequency, self.precision)
        nothing = torch.zeros_like(expected)
        return self._error(images, nothing) - self._error(images, expected)

    def state_dict(self) -> dict[str, Any]:
        """All that the next update depends on."""
        parts = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        return {**parts, "noise": self.noise, "spread": self.spread}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave, onto the device that this is on."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.noise, self.spread = state["noise"].to(self.noise), state["spread"].to(self.spread)

    def to(self, disc: FourierDisc) -> None:
        """Move to the device of a disc, in place."""
        self.disc, self.noise, self.spread = disc, self.noise.to(disc.weight), self.spread.to(disc.weight)
        self.model.to(disc.weight.device)
        self.optimizer.load_state_dict(self.optimizer.state_dict())  # which follows the parameters


@dataclass(frozen=True)
class _Steepness(Batched):
    """A function of latents, and its gradient."""

    latent: Float[Tensor, "batch latent"]
    loss: Float[Tensor, " batch"]
    gradient: Float[Tensor, "batch latent"]

    def or_where(self, chosen: Bool[Tensor, " batch"], other: "_Steepness") -> "_Steepness":
        """Another's rows where they are chosen."""
        return _Steepness(
            torch.where(chosen[:, None], other.latent, self.latent),
            torch.where(chosen, other.loss, self.loss),
            torch.where(chosen[:, None], other.gradient, self.gradient),
        )
