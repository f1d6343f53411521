"""Losses: scores in, scalars out."""

from frazil.losses.adversarial import (
    gradient_penalty,
    gradient_penalty_per_pixel,
    interpolate,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
    zero_centred_penalty,
)

__all__ = [
    "gradient_penalty",
    "gradient_penalty_per_pixel",
    "interpolate",
    "wasserstein_critic_loss",
    "wasserstein_generator_loss",
    "zero_centred_penalty",
]
