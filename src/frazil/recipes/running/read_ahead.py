"""Batches that are read while the step before them is computed."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from frazil.methods import StepContext


class ReadAhead:
    """Draws of a function of the context alone, the next step's begun in a thread as soon as one is asked for."""

    def __init__(self, draw: Callable[[StepContext], Any]) -> None:
        self._draw = draw
        self._thread = ThreadPoolExecutor(1, initializer=partial(torch.set_num_threads, 1))
        self._next: tuple[int, Future] | None = None

    def __call__(self, context: StepContext) -> Any:
        """The batch of a step."""
        ready = self._next is not None and self._next[0] == context.step
        batch = self._next[1].result() if self._next and ready else self._draw(context)
        after = replace(context, step=context.step + 1)
        self._next = after.step, self._thread.submit(self._draw, after)
        return batch
