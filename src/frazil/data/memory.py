"""How much memory this process may still take: of the machine, or of the batch job or container that it runs in.

And that it keeps what it has: fresh pages cost more than what is computed in them.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from frazil.data.ranks import ranks_here

_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
_UNKNOWN = 8 * 2**30  # where the system does not say
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_ONE_OFF = 2**30  # bytes; what is as large as that does not come again at each step


def available_memory() -> int:
    """Bytes that this process may still take, the smallest of what holds it; on a node shared by ranks, its share."""
    free = min(_rooms(), default=_UNKNOWN)
    return max(0, free) // ranks_here()


def keep_freed_memory() -> None:
    """Have the C library (glibc's; others are left alone) keep what is freed for what is asked for next.

    Each step frees hundreds of megabytes and asks for as many again. As it is, glibc hands every tensor of 32 MB or
    more back to the system, and clearing its pages anew takes up to half of a refinement's time.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and not any(name.startswith("MALLOC_") for name in os.environ):  # the user's own settings
        mallopt(_M_MMAP_THRESHOLD, _ONE_OFF)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def _rooms() -> Iterator[int]:
    for line in _lines(_PROC / "meminfo"):
        if line.startswith("MemAvailable:"):
            yield 1024 * int(line.split()[1])
    for line in _lines(_PROC / "self" / "cgroup"):
        _, kinds, place = line.split(":", 2)
        # Slurm limits the job and its step, which are the parents of the group that the process is in.
        group = Path(place.strip("/"))
        for folder in (group, *group.parents):
            if not kinds:
                yield from _left(_CGROUPS / folder, "memory.max", "memory.current")
            elif "memory" in kinds.split(","):
                yield from _left(_CGROUPS / "memory" / folder, "memory.limit_in_bytes", "memory.usage_in_bytes")


def _left(folder: Path, limit: str, used: str) -> Iterator[int]:
    """What a control group may still take; its file cache, which counts as used, makes room when it must."""
    numbers = [" ".join(_lines(folder / name)).strip() for name in (limit, used)]
    if all(number.isdecimal() for number in numbers):
        stat = dict(line.split() for line in _lines(folder / "memory.stat"))
        cache = stat.get("total_inactive_file", stat.get("inactive_file", "0"))  # of version 1, which has both; of 2
        yield int(numbers[0]) - int(numbers[1]) + int(cache)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
