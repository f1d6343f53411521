"""What runs that learn are told alike: how long, where, how exactly."""

from typing import Any, Literal, Protocol, runtime_checkable

from frazil.training import FitSettings


@runtime_checkable
class Learns(Protocol):
    """Options of a run that learns."""

    @property
    def seed(self) -> int: ...
    @property
    def max_minutes(self) -> float | None: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> Literal["32-true", "bf16-mixed"]: ...


def fit_settings(options: Learns, steps: int, **more: Any) -> FitSettings:
    """How the loop is told what the options say."""
    told = {name: getattr(options, name) for name in ("seed", "max_minutes", "device", "precision")}
    return FitSettings(steps, **told, **more)


def say_if_stopped(finished: bool, max_minutes: float | None) -> None:
    """Print that there is more to do, where the time was up."""
    if not finished:
        print(f"stopped after {max_minutes:.5g} minutes; the same command goes on")
