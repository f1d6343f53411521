"""Networks: tensors in, tensors out, no microscope."""

from frazil.nets.critic import ConvCritic

__all__ = ["ConvCritic"]
