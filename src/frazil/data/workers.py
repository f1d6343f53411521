"""Work on several threads whose results come in one order, with one thread for each."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import torch

from frazil.data.ranks import cores

MOST_WORKERS = min(8, cores())
_Result = TypeVar("_Result")


@contextmanager
def one_thread_per_operation() -> Iterator[None]:
    """Let workers run side by side, and sums in one order: bytes do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_order(function: Callable[[int], _Result], count: int, workers: int) -> Iterator[_Result]:
    """A function of 0, 1, 2 ... in this order, by `workers` threads that run a few ahead at most."""
    pool = ThreadPoolExecutor(workers)
    try:
        waiting = (pool.submit(function, number) for number in range(count))
        ahead: deque[Future[_Result]] = deque(islice(waiting, workers + 1))
        while ahead:
            result = ahead.popleft().result()
            ahead.extend(islice(waiting, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
