"""The folder of a simulated or generated data set: whose it is, and whether it fits on the disk."""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from frazil.io import configuration_changes, read_record, stored_configuration, write_record


def refuse_another_run(out: Path, config: Mapping[str, Any], outputs: Collection[str]) -> None:
    """ValueError where `out` holds a data set of another configuration, or one of `outputs` without any."""
    file = out / "config.json"
    if file.is_file():
        if changes := configuration_changes(read_record(file, "config")["config"], stored_configuration(config)):
            raise ValueError(f"{out}: holds a run with other options ({changes}); choose another folder")
    elif strangers := [name for name in outputs if (out / name).exists()]:
        raise ValueError(f"{out}: holds {strangers[0]} of another run; choose another folder")


def make_folder(out: Path, config: Mapping[str, Any], size: int) -> None:
    """Make a data set's folder, with its configuration; OSError where `size` bytes do not fit on the disk."""
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free
    if free < size:
        raise OSError(f"{out}: the images need {size / 1e9:.2f} GB, but the disk has {free / 1e9:.2f} GB free")
    if not (out / "config.json").is_file():  # another job of the same data set may be reading it
        try:
            write_record(out / "config.json", {"config": stored_configuration(config)})
        except OSError:
            if not (out / "config.json").is_file():  # that other job has just written the same
                raise
