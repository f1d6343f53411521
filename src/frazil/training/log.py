"""What a run says while it runs: log.jsonl, TensorBoard and a progress line."""

import json
import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta

from rich.console import Console
from rich.live import Live
from rich.text import Text

from frazil.io import atomic_path
from frazil.training.run_folder import RunFolder


class RunLog:
    """The log of a run that has done `step` of its `steps` updates, open as long as the stack.

    Lines beyond `step` are dropped, so the log of a resumed run equals that of one that never stopped. Where it
    `ends_early`, in all likelihood, the time left is said to be the most there can be.
    """

    def __init__(self, run: RunFolder, step: int, steps: int, stack: ExitStack, ends_early: bool) -> None:
        from torch.utils.tensorboard import SummaryWriter

        path = run.path / "log.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        with atomic_path(path) as temporary:
            temporary.write_text("".join(kept))
        self._file = stack.enter_context(path.open("a"))
        self._board = SummaryWriter(str(run.path / "tensorboard"), purge_step=step + 1)
        stack.callback(self._board.close)
        self._console = Console(stderr=True)
        self._live = stack.enter_context(Live(console=self._console)) if self._console.is_terminal else None
        self._first, self._steps, self._values = step, steps, ""
        self._left = "ETA at most" if ends_early else "ETA"
        self._began = self._shown = time.monotonic()

    def write(self, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """Add a line; a figure that is not finite, as a resolution may be, is written as null."""
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._file.write(json.dumps({"step": step, "elapsed": round(seconds, 3), **finite}) + "\n")
        self._file.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        self._values = "  ".join(f"{name} {value:.4g}" for name, value in list(values.items())[:4])

    def show(self, step: int, stage: str) -> None:
        """Say how far the run is: always on a terminal; elsewhere every 10 s at first, every 5 minutes later."""
        now = time.monotonic()
        pause = 0.2 if self._live else min(max(10.0, (now - self._began) / 20), 300.0)
        if now - self._shown < pause and step < self._steps:
            return
        self._shown = now
        left = timedelta(seconds=round((self._steps - step) * (now - self._began) / (step - self._first)))
        parts = [stage, f"step {step}/{self._steps}", f"{self._left} {left}", self._values]
        line = Text("  ".join(filter(None, parts)))
        self._live.update(line) if self._live else self._console.print(line, soft_wrap=True)
