"""The simulation that a run fits to real data before it learns: how it is kept, to be made again from anywhere."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from frazil.data.specimens import kind_of_model
from frazil.io import atomic_path

MATCH = "match.json"
"""In a run's folder: what was measured of both, and the simulation."""
SIMULATED = "simulated"
"""In a run's folder: what was simulated to learn from."""


def models_from_anywhere(models: Iterable[str]) -> tuple[str, ...]:
    """Models as whole paths, for a run may be gone on with from another folder."""
    return tuple(model if kind_of_model(model) == "phantom" else str(Path(model).resolve()) for model in models)


def lenses_from_anywhere(ctf: str) -> str:
    """A table of lenses as a whole path; ranges and none are words."""
    return ctf if ctf in ("ranges", "none") else str(Path(ctf).resolve())


def write_match(run: Path, figures: Mapping[str, Any], simulation: Any) -> None:
    """Keep a simulation, a dataclass, and the figures by which it was fitted."""
    with atomic_path(run / MATCH) as temporary:
        record = {"figures": figures, "simulation": asdict(simulation)}
        temporary.write_text(json.dumps(record, indent=2, default=str))


def read_match(run: Path, command: str) -> dict[str, Any]:
    """The fields of the simulation that was kept; ValueError where there is none."""
    if not (run / MATCH).is_file():
        raise ValueError(f"{run}: holds no run of `frazil {command}`")
    return _with_tuples(json.loads((run / MATCH).read_text())["simulation"])


def _with_tuples(stored: Any) -> Any:
    """What dataclasses held before JSON made lists of it."""
    if isinstance(stored, dict):
        return {name: _with_tuples(value) for name, value in stored.items()}
    return tuple(map(_with_tuples, stored)) if isinstance(stored, list) else stored


def wait_for(table: Path) -> None:
    """Until another rank has simulated what is learnt from."""
    while not table.is_file():
        time.sleep(0.5)
