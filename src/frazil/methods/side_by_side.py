"""Halves that share nothing, worked on at the same time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch

from frazil.methods.base import StepContext

_Job = TypeVar("_Job")
_Found = TypeVar("_Found")


class SideBySide:
    """On a CPU each half has a core of its own: what one does at a time is too little to share among several."""

    def __init__(self, halves: int) -> None:
        self._threads = ThreadPoolExecutor(halves, initializer=partial(torch.set_num_threads, 1))

    def map(self, run: Callable[[_Job], _Found], jobs: Iterable[_Job], context: StepContext) -> list[_Found]:
        """What `run` gives for each job; in turns on a GPU, which has no cores to share, and where ranks exchange
        messages, which have to come in the same order on all."""
        several = context.world_size == 1 and context.device.type == "cpu" and torch.get_num_threads() > 1
        return list(self._threads.map(run, jobs) if several else map(run, jobs))
