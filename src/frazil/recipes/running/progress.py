"""How far work is that goes through images one batch at a time, outside the training loop."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

_FIRST, _MOST = 10.0, 300.0  # seconds between two lines in a log


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Call what this gives with how many more are done: a bar on a terminal, elsewhere a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(what, total, console)
        return
    columns = ("{task.description}", MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=total)
        yield lambda more: progress.advance(task, more)


class _Lines:
    """Lines for a log: the first soon, each pause as long as the work has taken by then, the last when it is done."""

    def __init__(self, what: str, total: int, console: Console) -> None:
        self._what, self._total, self._console, self._done = what, total, console, 0
        self._began = time.monotonic()
        self._next = self._began + _FIRST

    def __call__(self, more: int) -> None:
        self._done += more
        now = time.monotonic()
        if more == 0 or (now < self._next and self._done < self._total):
            return
        self._next = now + min(max(_FIRST, now - self._began), _MOST)
        left = timedelta(seconds=round((self._total - self._done) * (now - self._began) / self._done))
        self._console.print(f"{self._what}  {self._done}/{self._total}  ETA {left}", soft_wrap=True, highlight=False)
