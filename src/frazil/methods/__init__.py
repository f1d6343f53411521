"""The systems: each holds its networks, its losses and the order of its updates."""

from frazil.methods.base import Method, StepContext

__all__ = ["Method", "StepContext"]
