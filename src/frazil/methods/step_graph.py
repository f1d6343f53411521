"""Steps that a GPU repeats as one: thousands of small kernels take longer to launch, one by one, than to run."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_WARM_UP = 3  # steps, in which the libraries choose and set up what a recording can only repeat

Step = Callable[[Tensor, torch.Generator], dict[str, Tensor]]
"""From a batch, and from where chance comes, to the step's scalars."""


class StepGraph:
    """A step that is done kernel by kernel at first, then recorded, and from there on launched as one.

    The step may not wait for the device, nor draw from a generator of its own. What it depends on beside its batch has
    to be tensors that stay where they are: numbers are what they were when it was recorded.
    """

    def __init__(self, step: Step, device: torch.device) -> None:
        self._step, self._taken = step, 0
        self._generator = torch.Generator(device)
        self._stream = torch.cuda.Stream(device)
        self._graph = torch.cuda.CUDAGraph()
        self._batch: Tensor | None = None
        self._found: dict[str, Tensor] = {}

    def __call__(self, batch: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Take the step with a batch of always the same shape, and with the chance that `generator` began with."""
        self._generator.manual_seed(generator.initial_seed())
        self._taken += 1
        if self._taken <= _WARM_UP:
            return self._aside(batch)
        if self._batch is None:
            self._batch = batch.clone()
            self._record(self._batch)
        self._batch.copy_(batch)
        self._graph.replay()
        return {name: value.clone() for name, value in self._found.items()}

    def _aside(self, batch: Tensor) -> dict[str, Tensor]:
        """On a stream of its own, as recordings want it of the steps before."""
        before = torch.cuda.current_stream()
        self._stream.wait_stream(before)
        with torch.cuda.stream(self._stream):
            found = self._step(batch, self._generator)
        before.wait_stream(self._stream)
        return found

    def _record(self, batch: Tensor) -> None:
        self._graph.register_generator_state(self._generator)
        with torch.cuda.graph(self._graph):
            self._found = self._step(batch, self._generator)


def for_recording(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Make an optimizer of Adam's kind fit for a recorded step: on a GPU all that changes is in tensors there."""
    if device.type != "cuda":
        return
    warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
    for group in optimizer.param_groups:
        group.update(capturable=True, lr=torch.zeros((), device=device))


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any], device: torch.device) -> None:
    """Take up an optimizer's state, from whatever device it is, onto its parameters' device."""
    groups = [{**group, "capturable": device.type == "cuda"} for group in state["param_groups"]]
    optimizer.load_state_dict({**state, "param_groups": groups})
    for group in optimizer.param_groups:
        group["lr"] = 0.0  # set anew at each step
    for_recording(optimizer, device)
