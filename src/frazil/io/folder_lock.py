"""One process at a time writes a folder: a job that was submitted twice must not spoil what the first one makes."""

import fcntl
import os
import weakref
from pathlib import Path

from frazil.io.atomic import PARTIAL

_LOCK = ".lock"


class FolderLock:
    """A folder held for as long as this object, or its process, lives.

    ValueError where another process holds it. File systems that know no locks are trusted.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _LOCK
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


def hold_folder(folder: Path) -> FolderLock:
    """The lock of a folder, one for all in this process who ask for it."""
    name = folder.resolve()
    lock = _HELD.get(name)
    if lock is None or not lock.release.alive:
        lock = _HELD[name] = FolderLock(name)
    return lock


def is_left_over(path: Path) -> bool:
    """Whether a file is all that a process which was killed leaves of what it was about to write."""
    return path.suffix == PARTIAL or path.name == _LOCK


_HELD: weakref.WeakValueDictionary[Path, FolderLock] = weakref.WeakValueDictionary()


def _release(file: int, path: Path, owner: int) -> None:
    if os.getpid() == owner:  # a child that was forked has it open too
        path.unlink(missing_ok=True)
        os.close(file)
