"""The least time that a step can take: its arithmetic and its traffic, each at the speed that this machine reaches."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

_MATRIX, _COPIED = 2048, 2**26  # side; numbers
_VIEWS = ("view", "expand", "slice", "select", "permute", "transpose", "alias", "detach", "unsqueeze", "as_strided")


@dataclass(frozen=True)
class Work:
    """What a call asks of the machine."""

    flops: float
    """Of its convolutions and matrix products."""
    bytes: float
    """That its operations read and write, if each goes to memory for all it needs."""


@dataclass(frozen=True)
class Ceiling:
    """What the machine gives, each measured alone."""

    flops_per_second: float
    """A product of large matrices in single precision."""
    bytes_per_second: float
    """A copy of what no cache holds."""


class _Counter(TorchDispatchMode):
    """Adds up what operations compute, and the size of all that they take and give; views are free."""

    def __init__(self) -> None:
        super().__init__()
        self.flops, self.bytes = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if formula := flop_registry.get(func._overloadpacket):
            self.flops += formula(*args, **kwargs, out_val=result)
        if not any(name in func.__name__ for name in _VIEWS):
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return result


def work(action: Callable[[], object]) -> Work:
    """Count what one call does."""
    with _Counter() as counter:
        action()
    return Work(counter.flops, counter.bytes)


def ceiling(device: torch.device) -> Ceiling:
    """Measure what the machine gives with the threads that torch has now."""
    matrix, numbers = torch.randn(_MATRIX, _MATRIX, device=device), torch.randn(_COPIED, device=device)
    target = torch.empty_like(numbers)
    return Ceiling(
        flops_per_second=2 * _MATRIX**3 / seconds(lambda: matrix @ matrix, device),
        bytes_per_second=2 * 4 * _COPIED / seconds(lambda: target.copy_(numbers), device),
    )


def seconds(action: Callable[[], object], device: torch.device, repeats: int = 5) -> float:
    """Fastest of the repeats after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])
