"""What runs that learn are told alike, how long and where; their page; and how what one has learnt is taken up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch

from frazil.data.ranks import ranks
from frazil.io import read_record
from frazil.methods.base import Method
from frazil.report import Report
from frazil.training import FitSettings, RunFolder, checkpoints, newest

_Method = TypeVar("_Method", bound=Method)


@runtime_checkable
class Learns(Protocol):
    """Options of a run that learns."""

    @property
    def seed(self) -> int: ...
    @property
    def max_minutes(self) -> float | None: ...
    @property
    def device(self) -> str: ...


def fit_settings(options: Learns, steps: int, **more: Any) -> FitSettings:
    """How the loop is told what the options say."""
    return FitSettings(steps, seed=options.seed, max_minutes=options.max_minutes, device=options.device, **more)


def check_batch(size: int, halves: bool = False) -> None:
    """ValueError where the ranks cannot share a batch, or a half's, half as large: at the first step it comes late."""
    if (size // 2 if halves else size) % ranks():
        whose = f"--batch-size {size}" + (", of which a half has half," if halves else "")
        raise ValueError(f"{whose} cannot be shared evenly by {ranks()} ranks")


def say_if_stopped(finished: bool) -> None:
    """Print that there is more to do, where the time was up."""
    if not finished:
        print("stopped as --max-minutes asks; the same command goes on")


def write_report(report: Report, folder: RunFolder) -> None:
    """Write the page, and print where it is and what it warns of."""
    page = report.write(folder.path / "report.html")
    print("\n".join([f"report: {page}", *(f"warning: {sentence}" for sentence in report.warnings)]))


def is_exported(out: Path, *files: str) -> bool:
    """Whether what a run leaves, and its page, are of all that was learnt: there is nothing to add to them."""
    stored, made = checkpoints(out / "checkpoints"), [out / name for name in ("report.html", *files)]
    return bool(stored) and all(
        file.exists() and file.stat().st_mtime_ns > stored[0].stat().st_mtime_ns for file in made
    )


def load_learnt(
    run: Path, make: Callable[[dict[str, Any]], _Method], device: torch.device, command: str, *beside: str
) -> _Method:
    """A run's method, made of the run's configuration, as its newest checkpoint has it.

    ValueError where the folder holds no run of the command, or not the files `beside` that it leaves.
    """
    nothing = f"{run}: holds no run of `frazil {command}`"
    if missing := [name for name in ("config.json", *beside) if not (run / name).is_file()]:
        raise ValueError(f"{nothing}, {missing[0]} is not there")
    stored = newest(run / "checkpoints")
    if stored is None:
        raise ValueError(f"{run}: has learnt nothing yet")
    try:
        config = read_record(run / "config.json", "config")["config"]
        method, steps = make(config), config["learning"]["steps"]
        method.load_state_dict(stored.method)
    except (KeyError, RuntimeError, TypeError) as error:
        raise ValueError(nothing) from error
    if stored.step < steps:
        print(f"{run}: has learnt for {stored.step} of {steps} steps")
    method.to(device)
    return method
