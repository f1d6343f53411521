"""Checkpoints that outlive a kill at any moment: written aside, renamed, the last two kept."""

import io
import pickle
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from frazil.io import atomic_path


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on as if it had never stopped."""

    step: int
    method: dict[str, Any]
    seconds: float = 0.0
    """Time spent in the loop, over all processes."""
    sums: dict[str, list[float]] = field(default_factory=dict)
    """Sum and count of each scalar since the last line of the log."""


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest first."""
    return sorted(folder.glob("step_*.pt"), reverse=True)


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Store a checkpoint and drop all but the one before it."""
    path = folder / f"step_{checkpoint.step:08d}.pt"
    older = [other for other in checkpoints(folder) if other.name < path.name]
    data = io.BytesIO()  # torch, writing to the disk itself, hides why it could not
    torch.save(asdict(checkpoint), data)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(data.getbuffer())
    except OSError as error:
        if older:
            raise OSError(f"{error}; {older[0].name} is intact") from error
        raise
    for stale in set(folder.glob("step_*")) - {path, *older[:1]}:
        stale.unlink()


def newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read, None in a folder without any; ValueError where all are damaged."""
    found = checkpoints(folder)
    for path in found:
        try:
            return _load(path)
        except ValueError as error:
            print(f"frazil: {error}; taking the one before it", file=sys.stderr)
    if found:
        raise ValueError(f"{folder}: no checkpoint in it can be read; choose another folder to begin again")
    return None


def _load(path: Path) -> Checkpoint:
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # torch itself does not compare the checksums
                raise ValueError(f"{damaged} is damaged")
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise ValueError(f"{path}: cannot be read ({str(error).partition(chr(10))[0]})") from error


def not_finite(state: Any, name: str = "") -> Iterator[str]:
    """The names of the tensors in a state that hold a value which is not finite."""
    if isinstance(state, Tensor) and not bool(torch.isfinite(state).all()):
        yield name
    items = state.items() if isinstance(state, dict) else enumerate(state) if isinstance(state, list) else ()
    for key, value in items:
        yield from not_finite(value, f"{name}.{key}" if name else str(key))
