"""What a file holds, in a line: to notice that it is no longer what a run began with."""

import hashlib
from pathlib import Path

_END = 2**20  # bytes at either end of a stack: its header, and more than an image of 512 pixels


def fingerprint(path: Path) -> str:
    """Size and hash of all of a file."""
    with path.open("rb") as file:
        return _line(path, hashlib.file_digest(file, "sha256").hexdigest())


def fingerprint_of_ends(path: Path) -> str:
    """Size and hash of the first and the last megabyte: stacks are too large to be read for this."""
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_END))
        file.seek(max(file.tell(), path.stat().st_size - _END))
        digest.update(file.read())
    return _line(path, digest.hexdigest())


def told_by_contents(option: str) -> str:
    """What tells a file from another wherever it lies, its name and contents; an option that names none, as it is."""
    path = Path(option)
    return f"{path.name}, {fingerprint(path)}" if path.is_file() else option


def _line(path: Path, digest: str) -> str:
    return f"{path.stat().st_size} bytes, sha256 {digest[:32]}"
