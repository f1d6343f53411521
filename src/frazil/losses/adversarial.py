"""Adversarial losses: scores in, scalars out."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

Critic = Callable[[Tensor], Tensor]
Penalty = Callable[[Critic, Tensor, Tensor, Tensor], Tensor]
"""Of a critic, real images, simulated ones, and the weight of each pair's point between them."""
AdversaryName = Literal["cross-entropy", "wasserstein", "wasserstein-per-pixel"]
PatchAdversaryName = Literal["wasserstein", "least-squares", "least-squares-0.8"]


def wasserstein_critic_loss(real: Float[Tensor, "..."], fake: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """The critic's loss: the negative of its estimate of the Wasserstein distance, E D(real) - E D(fake).

    Arjovsky, Chintala & Bottou 2017, equation 3.
    """
    return fake.mean() - real.mean()


def wasserstein_generator_loss(fake: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """The generator's loss: simulated images should score as real ones do."""
    return -fake.mean()


def cross_entropy_critic_loss(real: Float[Tensor, " batch"], fake: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """The first GAN's critic: -E log s(D(real)) - E log(1 - s(D(fake))), s the logistic function.

    Goodfellow et al. 2014, equation 1.
    """
    return softplus(-real).mean() + softplus(fake).mean()


def cross_entropy_generator_loss(fake: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Its generator: -E log s(D(fake)), whose gradient does not fade while the critic still wins (section 3)."""
    return softplus(-fake).mean()


def least_squares_critic_loss(
    real: Float[Tensor, "..."], fake: Float[Tensor, "..."], label: float = 1.0
) -> Float[Tensor, ""]:
    """What a critic minimises whose scores are to be `label` of real and 0 of simulated patches: LSGAN.

    Mao et al. (ICCV 2017), equation 9, halved.
    """
    return ((real - label).square().mean() + fake.square().mean()) / 2


def least_squares_generator_loss(fake: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """What the generator minimises: patches of its own should score 1."""
    return (fake - 1).square().mean()


def interpolate(
    real: Float[Tensor, " batch *shape"], fake: Float[Tensor, " batch *shape"], weight: Float[Tensor, " batch"]
) -> Float[Tensor, " batch *shape"]:
    """Points on the lines from simulated to real images, where the penalty is asked for (Gupta et al. 2021, y_int)."""
    weight = weight.reshape(-1, *[1] * (real.dim() - 1))
    return weight * real + (1 - weight) * fake


@runtime_checkable
class KnowsItsGradient(Protocol):
    """A critic with a faster way to its gradient by the pixels than autograd's."""

    def input_gradient(self, images: Tensor) -> Tensor:
        """Gradient of each image's score, which can be differentiated by the critic's parameters."""


def _input_gradient(critic: Critic, images: Tensor) -> Tensor:
    if isinstance(critic, KnowsItsGradient):
        return critic.input_gradient(images.detach())
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return gradient


def gradient_penalty(critic: Critic, images: Float[Tensor, " batch *shape"]) -> Float[Tensor, ""]:
    """E (|grad D(y)| - 1)^2 with the norm over all pixels of an image (Gulrajani et al. 2017, equation 3)."""
    norm = _input_gradient(critic, images).flatten(1).norm(dim=1)
    return (norm - 1).square().mean()


def gradient_penalty_per_pixel(critic: Critic, images: Float[Tensor, " batch *shape"]) -> Float[Tensor, ""]:
    """Mean over pixels of (|g_ij| - 1)^2: the penalty that CryoGAN's published weights belong to.

    Its release takes the norm over the one channel, so each pixel's gradient is held near 1 and the image's norm near
    sqrt(pixels). A critic divided by sqrt(pixels) turns one penalty into the other: the textbook weight is the
    published one divided by the number of pixels.
    """
    return (_input_gradient(critic, images).abs() - 1).square().mean()


def gradient_penalty_one_axis(critic: Critic, volumes: Float[Tensor, "batch z y x"]) -> Float[Tensor, ""]:
    """Mean of (|g| - 1)^2 over the columns along z, each one's length by itself: that of CryoETGAN's released code."""
    return (_input_gradient(critic, volumes).norm(dim=1) - 1).square().mean()


def zero_centred_penalty(critic: Critic, images: Float[Tensor, " batch *shape"]) -> Float[Tensor, ""]:
    """E |grad D(y)|^2 / 2: R1 on real and R2 on simulated images (Mescheder, Geiger & Nowozin 2018, equation 9)."""
    return _input_gradient(critic, images).flatten(1).square().sum(1).mean() / 2


@dataclass(frozen=True)
class Adversary:
    """A game: what the critic and the generator each make small, and what keeps the critic smooth."""

    critic_loss: Callable[[Tensor, Tensor], Tensor]
    generator_loss: Callable[[Tensor], Tensor]
    penalty: Penalty
    level: float
    """The critic's loss where it cannot tell real from simulated."""

    def distance(self, real: Float[Tensor, " batch"], fake: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
        """How far apart the critic holds real and simulated images; 0 where it cannot tell."""
        return self.level - self.critic_loss(real, fake)


def _between(penalty: Callable[[Critic, Tensor], Tensor]) -> Penalty:
    return lambda critic, real, fake, weight: penalty(critic, interpolate(real, fake, weight))


def _on_both(critic: Critic, real: Tensor, fake: Tensor, weight: Tensor) -> Tensor:
    """R1 + R2: twice the mean over real and simulated images together."""
    return 2 * zero_centred_penalty(critic, torch.cat([real, fake]))


ADVERSARIES: dict[AdversaryName, Adversary] = {
    # Its critic tends to the logarithm of the two densities' ratio, so the generator climbs a likelihood; and it falls
    # silent where there is nothing left to tell, which a slope held at 1 never does.
    "cross-entropy": Adversary(cross_entropy_critic_loss, cross_entropy_generator_loss, _on_both, 2 * math.log(2)),
    "wasserstein": Adversary(wasserstein_critic_loss, wasserstein_generator_loss, _between(gradient_penalty), 0.0),
    "wasserstein-per-pixel": Adversary(
        wasserstein_critic_loss, wasserstein_generator_loss, _between(gradient_penalty_per_pixel), 0.0
    ),
}


@dataclass(frozen=True)
class PatchAdversary:
    """A game over scores of patches, of any shape; what keeps its critic smooth is not its part."""

    critic_loss: Callable[[Tensor, Tensor], Tensor]
    generator_loss: Callable[[Tensor], Tensor]


PATCH_ADVERSARIES: dict[PatchAdversaryName, PatchAdversary] = {
    "wasserstein": PatchAdversary(wasserstein_critic_loss, wasserstein_generator_loss),
    "least-squares": PatchAdversary(least_squares_critic_loss, least_squares_generator_loss),
    # Of CryoETGAN's released code, whatever its paper says.
    "least-squares-0.8": PatchAdversary(partial(least_squares_critic_loss, label=0.8), least_squares_generator_loss),
}
