"""A file is the old one or the new one, never half of either."""

import errno
import os
from pathlib import Path

import pytest

from frazil.io import atomic_path


def test_an_interrupt_while_writing_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "map.mrc"
    path.write_text("older")

    def write_half() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_are_on_the_disk_before_the_name_changes_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, done = tmp_path / "map.mrc", []
    fsync, replace = os.fsync, os.replace

    def storing(descriptor: int) -> None:
        done.append(("store", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def renaming(source: Path, target: Path) -> None:
        done.append(("rename", source.stat().st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", storing)
    monkeypatch.setattr(os, "replace", renaming)
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
    file, folder = path.stat().st_ino, tmp_path.stat().st_ino
    assert done == [("store", file), ("rename", file), ("store", folder)]


def test_a_folder_that_cannot_be_stored_does_not_stop_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def files_only(descriptor: int) -> None:
        if os.fstat(descriptor).st_ino == tmp_path.stat().st_ino:
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    with atomic_path(tmp_path / "map.mrc") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "map.mrc").read_text() == "whole"


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"map\.mrc could not be written: No space left on device"),
        atomic_path(tmp_path / "map.mrc"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_missing_folder_names_the_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"gone/map\.mrc could not be written: No such file or directory"),
        atomic_path(tmp_path / "gone" / "map.mrc") as temporary,
    ):
        temporary.write_text("whole")


def test_an_error_about_another_file_is_passed_on_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"other\.txt"), atomic_path(tmp_path / "map.mrc"):
        (tmp_path / "other.txt").read_text()
