"""A fingerprint is the same as long as the bytes are, wherever the file lies and whenever it was written."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from frazil.io import fingerprint, fingerprint_of_ends
from frazil.io.fingerprint import _END

both = pytest.mark.parametrize("of", [fingerprint, fingerprint_of_ends])


@both
@pytest.mark.parametrize("size", [0, 10, _END, _END + 1, 3 * _END])
def test_a_copy_of_another_time_and_place_is_the_same(tmp_path: Path, of: Callable[[Path], str], size: int) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    os.utime(other, (1e9, 1e9))
    assert of(one) == of(other)
    assert of(one).startswith(f"{size} bytes")


@both
@pytest.mark.parametrize("place", [0, _END - 1, 2 * _END, 3 * _END - 1])
def test_a_byte_changed_at_either_end_is_noticed(tmp_path: Path, of: Callable[[Path], str], place: int) -> None:
    path, data = tmp_path / "file", bytearray(3 * _END)
    path.write_bytes(data)
    before = of(path)
    data[place] = 1
    path.write_bytes(data)
    assert of(path) != before


@both
def test_a_longer_file_is_another(tmp_path: Path, of: Callable[[Path], str]) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * _END))
    before = of(path)
    path.write_bytes(bytes(3 * _END + 1))
    assert of(path) != before
