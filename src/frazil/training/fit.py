"""The one loop of all methods: it owns time, the method owns the mathematics."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NoReturn

import torch
from lightning.fabric import Fabric
from torch import Tensor

from frazil.methods.base import Method, StepContext, stable_seed
from frazil.training.checkpoint import Checkpoint, checkpoints, newest, not_finite, save
from frazil.training.launch import average_gradients, choose_device, launch, over_ranks
from frazil.training.log import RunLog
from frazil.training.run_folder import RunFolder

Batches = Callable[[StepContext], Any]
"""This rank's share of a step's batch: a pure function of seed, step and rank."""

GO_ON, STORE, TIME_IS_UP, SIGNAL = 0, 1, 2, 128


@dataclass(frozen=True)
class FitSettings:
    """How long, how often and where; what this machine cannot do is refused here, before a run leaves anything."""

    steps: int
    seed: int = 0
    log_every: int = 100
    """Steps between two lines of the log."""
    checkpoint_seconds: float = 60.0
    """The most work that a kill can cost; more where writing a checkpoint takes over a twentieth of it."""
    max_minutes: float | None = None
    """Stop in order when the process has worked this long; the same command goes on."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"

    def __post_init__(self) -> None:
        for name in ("steps", "log_every", "max_minutes"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise ValueError(f"--{name.replace('_', '-')} must be positive, it is {value:g}")
        choose_device(self.device)


class Interrupted(KeyboardInterrupt):
    """A run that stopped in order after a signal: the message, then the exit code (128 and the signal's number)."""


def fit(method: Method, batches: Batches, settings: FitSettings, run: RunFolder) -> bool:
    """Update a method to the last step or until it has converged, from the run's newest checkpoint where there is one.

    False where `max_minutes` ended it before. Raises FloatingPointError at a value that is not finite, Interrupted
    after Ctrl-C, SIGTERM or SIGUSR1, OSError on a full disk; the last good checkpoint stays, and the same call goes on.
    """
    loop = _Loop(launch(settings.device, settings.precision), method, settings, run)
    decision = GO_ON
    with ExitStack() as stack:
        received = stack.enter_context(_signals())
        if loop.context.rank == 0 and not loop.done:
            loop.log = RunLog(run, loop.step, settings.steps, stack, method.ends_early)
        while not loop.done and decision < TIME_IS_UP:
            context = replace(loop.context, step=loop.step)
            # For the chance that goes by the global generator, as a dropout layer's does.
            torch.manual_seed(stable_seed(settings.seed, loop.step, "global"))
            loop.count(method.update(batches(context), context), context)
            decision = loop.decide(received)
            if decision != GO_ON:
                loop.store()
    if decision >= SIGNAL:
        raise Interrupted(f"stopped after step {loop.step} of {settings.steps}; run it again to go on", decision)
    return loop.done


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Ctrl-C, and what a batch system sends, kept until the step is done; a second Ctrl-C is obeyed at once.

    Slurm sends SIGTERM twice when the time is up, and kills after a while in any case.
    """
    received: list[int] = []

    def receive(number: int, _: object) -> None:
        received.append(number)
        if number == signal.SIGINT:
            signal.signal(number, former[number])

    able = threading.current_thread() is threading.main_thread()  # which alone may handle signals
    heard = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1] if able else []
    former: dict[int, Any] = {number: signal.signal(number, receive) for number in heard}
    try:
        yield received
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


class _Loop:
    """What changes while a run goes on, beside the method."""

    def __init__(self, fabric: Fabric, method: Method, settings: FitSettings, run: RunFolder) -> None:
        self._fabric, self._method, self._settings, self._run = fabric, method, settings, run
        self._folder = run.path / "checkpoints"
        stored = newest(self._folder) if fabric.is_global_zero else None
        # Rank 0 decides where to begin: the others may not see its disk, nor have its initial parameters.
        start = fabric.broadcast(stored or Checkpoint(0, method.state_dict()))
        method.to(fabric.device)
        method.load_state_dict(start.method)
        self.step, self._sums = start.step, start.sums
        self._waiting: list[tuple[int, dict[str, Tensor]]] = []
        self.log: RunLog | None = None
        self._began = time.monotonic() - start.seconds
        self._store_at = time.monotonic() + settings.checkpoint_seconds
        self.context = StepContext(
            step=self.step,
            seed=settings.seed,
            device=fabric.device,
            rank=fabric.global_rank,
            world_size=fabric.world_size,
            average_gradients=partial(average_gradients, fabric),
            autocast=fabric.autocast,
        )

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.step == self._settings.steps or self._method.converged()

    def count(self, scalars: dict[str, Tensor | float], context: StepContext) -> None:
        """Take note of an update that was done, and say so."""
        self.step += 1
        doubles = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in scalars.items()}
        self._waiting.append((self.step, {name: value.detach() for name, value in doubles.items()}))
        if self.step % self._settings.log_every == 0 or self.done:
            self._settle()
            means = {name: total / count for name, (total, count) in self._sums.items()}
            values, self._sums = {**self._method.figures(context), **means}, {}
            if self.log:
                self.log.write(self.step, time.monotonic() - self._began, values)
        if self.log:
            self.log.show(self.step, self._method.stage(context.step))

    def decide(self, received: list[int]) -> int:
        """What to do after this step: the most urgent wish of any rank."""
        now, done, several = time.monotonic(), self.done, self.context.world_size > 1
        if several and self.step % self._method.agree_every and not done:
            return GO_ON
        wish = STORE if done or now >= self._store_at else GO_ON
        if now >= self._run.opened + 60 * (self._settings.max_minutes or math.inf):
            wish = TIME_IS_UP
        if received:
            wish = SIGNAL + received[0]
        if several:
            wish = int(over_ranks(self._fabric, torch.tensor(wish, device=self.context.device), "max"))
        return wish

    def store(self) -> None:
        """Write a checkpoint, if the state is finite."""
        began = time.monotonic()
        self._settle()
        state = self._method.state_dict()
        for name in not_finite(state):
            self._stop(f"step {self.step}: {name} holds values that are not finite")
        if self._fabric.is_global_zero:
            save(self._folder, Checkpoint(self.step, state, began - self._began, self._sums))
        self._store_at = time.monotonic() + max(self._settings.checkpoint_seconds, 20 * (time.monotonic() - began))

    def _settle(self) -> None:
        """Add up the scalars that waited on the device, so that no step had to wait for them."""
        for step, scalars in self._waiting:
            joined = torch.stack([value.to(self.context.device) for value in scalars.values()])
            means = over_ranks(self._fabric, joined, "mean").tolist()
            for name, mean in zip(scalars, means, strict=True):
                if not math.isfinite(mean):
                    self._stop(f"step {step}: {name} is {mean}")
                total, count = self._sums.get(name, (0.0, 0.0))
                self._sums[name] = [total + mean, count + 1]
        self._waiting = []

    def _stop(self, cause: str) -> NoReturn:
        last = next(iter(checkpoints(self._folder)), "not there yet")
        raise FloatingPointError(f"{cause}; the run stopped, and its last good checkpoint is {last}")
