"""A device that is not there, for what goes wrong on a GPU alone: tensors on it refuse what those on a GPU do.

Operations on tensors of two devices raise RuntimeError, as do, where `waiting` says so, those for which the host would
wait for a GPU: a recorded step may hold none.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import roma.euler
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map_only

ELSEWHERE = torch.device("meta")
"""Which stands for it: no kernels are there that would do anything."""

_INDEXING = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_", "aten::_unsafe_index")
_COPYING = ("aten::copy_", "aten::_to_copy")
_waiting = True


class _Far(Tensor):
    """A tensor elsewhere."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor) -> "_Far":
        near = near.resolve_conj().resolve_neg()
        layout = {"strides": near.stride(), "storage_offset": near.storage_offset(), "dtype": near.dtype}
        far = Tensor._make_wrapper_subclass(cls, near.size(), device=ELSEWHERE, **layout)
        far.near = near
        return far

    def __init__(self, near: Tensor) -> None:
        pass

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})

    def new_tensor(self, data: Any, **kwargs: Any) -> Tensor:  # type: ignore[override]
        return self.near.detach().new_tensor(data, **kwargs).to(self.device)

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError("a tensor elsewhere is no array")


class _Everywhere(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = function._schema.name
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    far = [tensor for tensor in tensors if isinstance(tensor, _Far)]
    near = [tensor for tensor in tensors if not isinstance(tensor, _Far) and tensor.ndim]
    wanted = torch.device(kwargs["device"]) if kwargs.get("device") else None
    if far and near and name not in _COPYING:
        onto = name in _INDEXING and isinstance(args[0], _Far) and (len(args) < 3 or isinstance(args[2], _Far))
        if not onto:
            raise RuntimeError(f"{name}: tensors on two devices, {_shapes(far)} and {_shapes(near)}")
    there = wanted == ELSEWHERE if wanted else isinstance(args[0], _Far) if name == "aten::copy_" else bool(far)
    if not _waiting and _waits(name, tensors, far, there):
        raise RuntimeError(f"{name}: the host waits for the device")
    if wanted == ELSEWHERE:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    args, kwargs = tree_map_only(_Far, lambda tensor: tensor.near, (args, kwargs))
    with _disable_current_modes():
        found = function(*args, **kwargs)
    return (
        tree_map_only(Tensor, lambda tensor: tensor if isinstance(tensor, _Far) else _Far(tensor), found)
        if there
        else found
    )


def _waits(name: str, tensors: list[Tensor], far: list[Tensor], there: bool) -> bool:
    """Whether a GPU's answer, or what is on its way to it, is waited for."""
    if name in _COPYING:
        return there != bool(far) or (name == "aten::copy_" and len(far) == 1)
    if name in _INDEXING:
        return bool(far) and any(tensor.dtype == torch.bool for tensor in tensors[1:])
    return bool(far) and name in ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal")


def _shapes(tensors: list[Tensor]) -> list[tuple[int, ...]]:
    return [tuple(tensor.shape) for tensor in tensors]


class _Generator(torch.Generator):
    """Of chance elsewhere; made on the CPU."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return ELSEWHERE


_REAL_GENERATOR = torch.Generator


def _generator(device: torch.device | str = "cpu") -> torch.Generator:
    return _Generator() if torch.device(device) == ELSEWHERE else _REAL_GENERATOR(device=device)


def _drawing(real: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def draw(*args: Any, generator: Any = None, device: Any = None, **kwargs: Any) -> Tensor:
        if isinstance(generator, _Generator) != (device is not None and torch.device(device) == ELSEWHERE):
            raise RuntimeError(f"{real.__name__}: generator and device differ")
        if isinstance(generator, _Generator):
            return _Far(real(*args, generator=generator, **kwargs))
        return real(*args, generator=generator, device=device, **kwargs)

    return draw


def _apart(real: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """With the angles as a list: roma asks for a tensor's very type."""
    return lambda convention, angles, **kwargs: real(convention, list(angles.unbind(-1)), **kwargs)


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """The device, there while the context lasts."""
    real_autocast = torch.autocast
    swapped = torch.__future__.get_swap_module_params_on_conversion()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* to a meta parameter in the current model, which is a no-op")  # it is none
        patch.setattr(torch, "Generator", _generator)
        for name in ("rand", "randn", "randint", "randperm"):
            patch.setattr(torch, name, _drawing(getattr(torch, name)))
        patch.setattr(torch, "autocast", lambda kind, **kwargs: real_autocast("cpu", **kwargs))
        patch.setattr(roma.euler, "euler_to_unitquat", _apart(roma.euler.euler_to_unitquat))
        torch.__future__.set_swap_module_params_on_conversion(True)  # modules keep their parameters, as on a GPU
        try:
            with _Everywhere():
                yield ELSEWHERE
        finally:
            torch.__future__.set_swap_module_params_on_conversion(swapped)


@contextmanager
def without_waiting() -> Iterator[None]:
    """While the context lasts, nothing may wait for the device."""
    global _waiting
    _waiting = False
    try:
        yield
    finally:
        _waiting = True
