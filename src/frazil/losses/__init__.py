"""Losses: scores in, scalars out."""

from frazil.losses.adversarial import (
    ADVERSARIES,
    PATCH_ADVERSARIES,
    Adversary,
    AdversaryName,
    PatchAdversaryName,
    cross_entropy_critic_loss,
    cross_entropy_generator_loss,
    gradient_penalty,
    gradient_penalty_one_axis,
    gradient_penalty_per_pixel,
    interpolate,
    least_squares_critic_loss,
    least_squares_generator_loss,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
    zero_centred_penalty,
)
from frazil.losses.variational import ReconstructionError, divergence_from_normal

__all__ = [
    "ADVERSARIES",
    "PATCH_ADVERSARIES",
    "Adversary",
    "AdversaryName",
    "PatchAdversaryName",
    "ReconstructionError",
    "cross_entropy_critic_loss",
    "cross_entropy_generator_loss",
    "divergence_from_normal",
    "gradient_penalty",
    "gradient_penalty_one_axis",
    "gradient_penalty_per_pixel",
    "interpolate",
    "least_squares_critic_loss",
    "least_squares_generator_loss",
    "wasserstein_critic_loss",
    "wasserstein_generator_loss",
    "zero_centred_penalty",
]
