"""The state of a method: as a checkpoint holds it, compared to the bit, and looked through for what does not belong."""

import io
from typing import Any

import torch
from torch import Tensor

from frazil.methods.base import Method


def stored(method: Method) -> bytes:
    """The method's state as a checkpoint holds it."""
    file = io.BytesIO()
    torch.save(method.state_dict(), file)
    return file.getvalue()


def read(data: bytes) -> dict[str, Any]:
    """The state that a checkpoint holds."""
    return torch.load(io.BytesIO(data), weights_only=True)


def assert_same(one: Any, other: Any) -> None:
    """Two states are equal to the bit."""
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def strange_things(state: Any, name: str = "state") -> list[str]:
    """What a state holds beside tensors, numbers, strings, lists and dicts, and values that are not finite.

    None and tuples are there because PyTorch's own optimizers use them.
    """
    if isinstance(state, dict):
        return [found for key, value in state.items() for found in strange_things(value, f"{name}.{key}")]
    if isinstance(state, list | tuple):
        return [found for key, value in enumerate(state) for found in strange_things(value, f"{name}.{key}")]
    if isinstance(state, Tensor):
        return [] if bool(torch.isfinite(state).all()) else [f"{name} is not finite"]
    return [] if state is None or isinstance(state, int | float | str | bool) else [f"{name} is {type(state)}"]
