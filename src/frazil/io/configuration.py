"""config.json: what made the files of a folder, so that no other run mixes its own with them."""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from frazil.io.atomic import atomic_path

_TOLD = 5  # changes, at most


def stored_configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of what JSON can hold, and paths, as JSON gives it back.

    Paths become absolute: the same file named from another folder is the same configuration.
    """
    return json.loads(json.dumps(dict(config), default=lambda path: str(Path(path).resolve())))


def write_record(file: Path, record: Mapping[str, Any]) -> None:
    """Write what is known under each heading, in a folder that is made if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as temporary:
        temporary.write_text(json.dumps(record, indent=2))


def read_record(file: Path, *headings: str) -> dict[str, Any]:
    """What stands under every heading; ValueError where one of `headings` is missing: another program's file."""
    try:
        stored = json.loads(file.read_text())
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or not set(headings) <= set(stored):
        what = f"{file}: is not of a run of frazil, but of a data set or another program"
        raise ValueError(f"{what}; choose another folder")
    return stored


def configuration_changes(old: Mapping[str, Any], new: Mapping[str, Any], free: Collection[str] = ()) -> str:
    """The fields that differ, with both values, but for the `free` ones; an empty text where none does.

    Of many, as two commands' runs have, the first few.
    """
    was, now = dict(_fields(old, free)), dict(_fields(new, free))
    pairs = [(name, was.get(name, "unset"), now.get(name, "unset")) for name in {**was, **now}]
    told = [f"{name} was {before} and is now {after}" for name, before, after in pairs if before != after]
    more = [f"and {len(told) - _TOLD} more"] if len(told) > _TOLD else []
    return "; ".join([*told[:_TOLD], *more])


def _fields(config: Mapping[str, Any], free: Collection[str], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _fields(value, free, f"{prefix}{name}.")
        elif name not in free:
            yield prefix + name, repr(value)
