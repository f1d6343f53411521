"""Files that appear whole or not at all, whatever happens meanwhile: an error, a kill, a power cut."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL = ".partial"
"""What the name of a file ends in while it is being written."""


def refuse_what_is_there(*paths: Path) -> None:
    """ValueError for a file that writing would replace."""
    for path in paths:
        if path.exists():
            raise ValueError(f"{path}: is there already; give another name, or remove it")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Temporary name beside `path` that takes its place when the block ends without an error.

    The bytes are on the disk before the name changes, and the name before this returns. The temporary name is the same
    each time, so what a killed run left behind is overwritten by the next. An error inside the block removes the
    temporary file and leaves an older `path` as it was; one of writing (a full disk) names the file.
    """
    path = Path(path)
    temporary = path.with_name(path.name + PARTIAL)
    try:
        yield temporary
        _store(temporary)
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        # The system's errors name this file when it cannot be opened, and no file when it cannot be written.
        if isinstance(error, OSError) and error.errno and error.filename in (None, temporary, str(temporary)):
            raise OSError(f"{path} could not be written: {os.strerror(error.errno)}") from error
        raise
    _store_names(path.parent)


def _store(path: Path) -> None:
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def _store_names(folder: Path) -> None:
    # Some file systems refuse to do this for a folder: there the new name may be lost to a power cut, but no file is.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
