"""A step of a run on the CPU."""

from dataclasses import replace
from typing import Any

import torch

from frazil.methods.base import StepContext


def at(step: int, **changes: Any) -> StepContext:
    """The context of a step, with what a test wants otherwise."""
    return replace(StepContext(step, seed=5, device=torch.device("cpu")), **changes)
