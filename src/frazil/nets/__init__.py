"""Networks: tensors in, tensors out, no microscope."""

from frazil.nets.critic import PooledCritic, StridedCritic

__all__ = ["PooledCritic", "StridedCritic"]
