"""What the loop's contract is tested on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from frazil.methods.base import Method, StepContext


@dataclass(frozen=True)
class Case:
    """A tiny method: how it is built, what it is fed, how long it runs, and which of its tensors are learnt."""

    make: Callable[[], Method]
    """A fresh one, the same every time."""
    batch: Callable[[StepContext], Any]
    """A step's batch, or this rank's share of it: a function of the context alone."""
    steps: int
    """Enough to pass through all that changes with the step."""
    learnt: Callable[[Method], dict[str, Tensor]]
    """Copies of the tensors that an update must move, by name."""
