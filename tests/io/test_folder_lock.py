"""A folder that one process writes is not another's."""

from pathlib import Path

import pytest

from frazil.io import hold_folder
from frazil.io.folder_lock import FolderLock


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with FolderLock(tmp_path), pytest.raises(ValueError, match="another process is writing there"):
        FolderLock(tmp_path)
    with FolderLock(tmp_path):
        pass


def test_parts_of_what_is_written_are_held_apart(tmp_path: Path) -> None:
    with FolderLock(tmp_path, "_0_2"), FolderLock(tmp_path, "_1_2"), pytest.raises(ValueError, match="another process"):
        FolderLock(tmp_path, "_1_2")


def test_a_process_holds_a_folder_as_often_as_it_asks(tmp_path: Path) -> None:
    with hold_folder(tmp_path):
        assert hold_folder(tmp_path) is hold_folder(tmp_path / ".")


def test_nothing_is_left_of_a_lock(tmp_path: Path) -> None:
    with hold_folder(tmp_path / "new"):
        pass
    assert not (tmp_path / "new").exists()
    (tmp_path / "kept.txt").touch()
    with hold_folder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
