"""The folder of a run: what was asked for, by which command, with which versions."""

import platform
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from lightning.fabric.utilities import rank_zero_only

from frazil.io import configuration_changes, read_record, stored_configuration, write_record
from frazil.io.folder_lock import FolderLock, hold_folder, is_left_over

FREE_FIELDS = frozenset({"out", "device", "workers", "max_minutes", "log_every", "checkpoint_seconds"})
"""Fields of a configuration that do not change the result, so they may differ when a run is resumed."""


@dataclass(frozen=True)
class RunFolder:
    """The unit of reproduction: `config.json`, `log.jsonl`, `checkpoints/` and what the run exports."""

    path: Path
    opened: float = field(default_factory=time.monotonic)
    """When this process began its work, for `max_minutes`."""
    is_main: bool = field(default_factory=lambda: getattr(rank_zero_only, "rank", 0) == 0)
    """Whether this process is rank 0, the one that writes."""
    locks: list[FolderLock] = field(default_factory=list, compare=False, repr=False)
    """Held while the run goes on."""

    @classmethod
    def open(cls, out: Path | str, config: Mapping[str, Any], inputs: Mapping[Path, str] | None = None) -> "RunFolder":
        """Begin the run of this configuration in `out`, or take it up where it stopped.

        `config` holds what JSON can hold, and paths; `inputs` the fingerprint of every file that is read. Raises
        ValueError where `out` holds another run, naming the fields that differ, or something that is no run of
        frazil, where another process writes there, and where an input is not what it was. A run that ended before it
        had made anything is none.
        """
        run, file = cls(Path(out)), Path(out) / "config.json"
        wanted = stored_configuration(config)
        found = {str(path.resolve()): held for path, held in (inputs or {}).items()}
        while not (run.is_main or file.is_file() or time.monotonic() > run.opened + 60):
            time.sleep(0.05)
        if not file.is_file():
            _refuse_strangers(run.path)
        before = run.record() if file.is_file() else {"starts": []}
        made = [path for path in run.path.glob("*") if path.name != "config.json" and not is_left_over(path)]
        if before["starts"] and made:
            _refuse_changes(run.path, before["config"], wanted)
            run.refuse_changed(inputs or {})
        if run.is_main:
            run.locks.append(hold_folder(run.path))
            write_record(file, {"config": wanted, "inputs": found, "starts": [*before["starts"], _this_start()]})
        return run

    def refuse_changed(self, inputs: Mapping[Path, str]) -> None:
        """Raise ValueError where a file, by its fingerprint, is not what it was when the run began."""
        old = self.record().get("inputs", {})
        new = {str(path.resolve()): held for path, held in inputs.items()}
        known, found = set(old.values()), set(new.values())
        # A file that was moved is the same file.
        changed = [path for path, held in new.items() if held != old.get(path) and (path in old or held not in known)]
        gone = [path for path, held in old.items() if held not in found]
        if old and (names := changed + gone):
            what = f"{names[0]}: is not what it was when the run in {self.path} began"
            raise ValueError(f"{what}; put it back as it was to resume the run, or choose another folder")

    def record(self) -> dict[str, Any]:
        """What `config.json` holds: `config`, `inputs`, and `starts`, each with `command`, `time` and `versions`."""
        return read_record(self.path / "config.json", "config", "starts")


def _this_start() -> dict[str, Any]:
    program = Path(sys.argv[0]).name
    command = shlex.join(["frazil" if program == "__main__.py" else program, *sys.argv[1:]])
    versions = {name: metadata.version(name) for name in ("frazil", "torch", "numpy", "scipy", "lightning")}
    versions["python"] = platform.python_version()
    return {"command": command, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "versions": versions}


def _refuse_changes(out: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    if changes := configuration_changes(old, new, FREE_FIELDS):
        what = f"{out}: holds a run of another configuration ({changes})"
        raise ValueError(f"{what}; give its own options to resume it, or choose another folder")


def _refuse_strangers(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out}: is a file; give a folder for the run")
    if strangers := sorted(path.name for path in out.glob("*") if not is_left_over(path)):
        raise ValueError(f"{out}: holds {strangers[0]} but no run of frazil; choose another folder")
