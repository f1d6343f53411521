"""One process at a time writes a folder: a job that was submitted twice must not spoil what the first one makes."""

import fcntl
import os
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from frazil.io.atomic import PARTIAL

_LOCK = ".lock"


class FolderLock:
    """A folder, or a part of what is written there, held until it is released or this object or its process ends.

    ValueError where another process holds it. File systems that know no locks are trusted. A folder that is empty then
    goes with it.
    """

    def __init__(self, folder: Path, part: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{_LOCK}{part}"
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = path.exists() and path.stat().st_ino == os.fstat(file).st_ino
        except BlockingIOError:
            ours = False
        except OSError:
            ours = True
        if not ours:
            os.close(file)
            raise ValueError(f"{folder}: another process is writing there; wait for it, or choose another folder")
        self.release = weakref.finalize(self, _release, file, path, os.getpid())

    def __enter__(self) -> "FolderLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def hold_folder(folder: Path, part: str = "") -> FolderLock:
    """The lock of a folder, or of a part of what is written there: one for all in this process who ask for it."""
    name = folder.resolve(), part
    lock = _HELD.get(name)
    if lock is None or not lock.release.alive:
        lock = _HELD[name] = FolderLock(*name)
    return lock


def is_left_over(path: Path) -> bool:
    """Whether a file is all that a process which was killed leaves of what it was about to write."""
    return path.suffix == PARTIAL or path.name.startswith(_LOCK)


_HELD: weakref.WeakValueDictionary[tuple[Path, str], FolderLock] = weakref.WeakValueDictionary()


def _release(file: int, path: Path, owner: int) -> None:
    if os.getpid() != owner:  # a child that was forked has it open too
        return
    path.unlink(missing_ok=True)
    os.close(file)
    with suppress(OSError):  # not empty
        path.parent.rmdir()
