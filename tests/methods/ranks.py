"""Several ranks in one process."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn


class Ranks:
    """Copies of a method that run in turns, one thread each: a rank gives way where its gradients are averaged."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._turn, self._together = threading.Lock(), threading.Barrier(count, timeout=60)
        self._sent: dict[int, list[Tensor]] = {}

    def run(self, work: Callable[[int, Callable[[Iterable[nn.Parameter]], None]], Any]) -> list[Any]:
        """What `work(rank, average_gradients)` returns on each rank."""

        def one(rank: int) -> Any:
            with self._turn:
                try:
                    return work(rank, lambda parameters: self._average(rank, parameters))
                except BaseException:
                    self._together.abort()
                    raise

        with ThreadPoolExecutor(self.count) as pool:
            return list(pool.map(one, range(self.count)))

    def _average(self, rank: int, parameters: Iterable[nn.Parameter]) -> None:
        mine = [parameter.grad for parameter in parameters if parameter.grad is not None]
        self._sent[rank] = [gradient.clone() for gradient in mine]
        self._wait()
        for gradient, *others in zip(mine, *self._sent.values(), strict=True):
            gradient.copy_(torch.stack(others).mean(0))
        self._wait()

    def _wait(self) -> None:
        self._turn.release()
        try:
            self._together.wait()
        finally:
            self._turn.acquire()
