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
    by_chance: bool = True
    """Whether another seed gives another result."""
    shared_evenly: bool = True
    """Whether every rank needs as many rows of a batch as any other."""
    rounding: float = 1e-8
    """How far two ranks may part from one in double precision."""
