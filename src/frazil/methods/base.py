"""What a method is to the loop: it updates, it can be stored, and it says how far it is."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Autocast = Callable[[], AbstractContextManager]
"""Around networks: they may compute in less precision there."""


def _one_rank(parameters: Iterable[nn.Parameter]) -> None:
    """Leave the gradients of a single rank as they are."""


def stable_seed(*purpose: int | str) -> int:
    """A seed of 63 bits that is the same for the same words on every machine, process and rank."""
    digest = hashlib.blake2b(repr(purpose).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@dataclass(frozen=True)
class StepContext:
    """What a method may know of time, of chance and of the other ranks."""

    step: int
    """Updates done before this one, counted from 0."""
    seed: int
    device: torch.device
    rank: int = 0
    world_size: int = 1
    average_gradients: Callable[[Iterable[nn.Parameter]], None] = _one_rank
    """Call it after backward and before the optimizer's step, on the parameters that got gradients."""
    autocast: Autocast = nullcontext
    """`with context.autocast():` around the networks, and only there: coordinates rotated in bfloat16 would
    be wrong by tenths of a pixel, so the microscope stays in float32."""

    def generator(self, *purpose: int | str, device: torch.device | str | None = None) -> torch.Generator:
        """Chance for one purpose of this step, the same on all ranks, on the context's device unless told.

        Draw for the joined batch and take the rows of `share`; then two ranks see what one would have seen,
        and a resumed run sees what it would have seen had it never stopped.
        """
        generator = torch.Generator(device=self.device if device is None else device)
        return generator.manual_seed(stable_seed(self.seed, self.step, *purpose))

    def share(self, batch_size: int) -> slice:
        """This rank's rows of the joined batch of `batch_size` rows."""
        rows, rest = divmod(batch_size, self.world_size)
        if rest:
            raise ValueError(f"a batch of {batch_size} images cannot be shared evenly by {self.world_size} ranks")
        return slice(self.rank * rows, (self.rank + 1) * rows)

    def descend(self, optimizer: Optimizer, loss: Tensor) -> None:
        """One step of an optimizer down a loss, by the mean of all ranks' gradients."""
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.average_gradients([parameter for group in optimizer.param_groups for parameter in group["params"]])
        optimizer.step()

    def sum_over_ranks(self, tensors: Sequence[Tensor]) -> None:
        """Replace what each rank summed over its own images by the sum over all ranks, in place."""
        if self.world_size == 1:
            return
        carriers = [nn.Parameter(torch.empty_like(tensor)) for tensor in tensors]
        for carrier, tensor in zip(carriers, tensors, strict=True):
            carrier.grad = tensor
        self.average_gradients(carriers)  # the one message that ranks exchange
        for tensor in tensors:
            tensor *= self.world_size


class Method(ABC):
    """One published system: its networks, losses, optimizers and the order of its updates.

    Chance comes from `context.generator` alone. Every rank holds the same parameters, sees its share of the
    batch, and steps by `context.descend`, which averages its gradients.
    """

    @abstractmethod
    def update(self, batch: Any, context: StepContext) -> dict[str, Tensor | float]:
        """Take one training step and name its finite scalars, means over this rank's share of the batch.

        At least one, as tensors rather than `.item()`, which would wait for the device; one that is not finite
        stops the run.
        """

    @abstractmethod
    def figures(self, context: StepContext) -> dict[str, float]:
        """Slower figures for the log, a resolution say, at every log interval; {} where there are none.

        All ranks call it; it changes nothing that is learnt. They come first on the progress line, which has room
        for four.
        """

    ends_early: ClassVar[bool] = False
    """Whether `converged` ends most runs before their last step: the time left is then the most there can be."""

    agree_every: ClassVar[int] = 10
    """Steps after which several ranks ask each other whether to store or to stop: a second's worth of them."""

    def converged(self) -> bool:
        """Whether further steps would change nothing that matters: the run ends here, before its last step.

        It depends on nothing but the state, which is the same on all ranks.
        """
        return False

    @abstractmethod
    def stage(self, step: int) -> str:
        """What the run does at this step, in two words for the progress line ("32 px"), or ""."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that the next update depends on: finite tensors, numbers, strings, lists and dicts of them."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the state that `state_dict` gave, from tensors on the CPU, onto this method's device."""

    @abstractmethod
    def to(self, device: torch.device) -> None:
        """Move parameters and buffers to the device, in place; the loop does it before it loads a state."""
