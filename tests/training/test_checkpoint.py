"""Checkpoints outlive torn files, full disks and strangers' pickles."""

import errno
import os
from pathlib import Path

import pytest
import torch

from frazil.training.checkpoint import Checkpoint, newest, save


def store(folder: Path, *steps: int) -> None:
    for step in steps:
        save(folder, Checkpoint(step, {"volume": torch.full((64,), float(step))}))


def test_the_last_two_are_kept(tmp_path):
    store(tmp_path, 1, 2, 3, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_00000003.pt", "step_00000004.pt"]


def test_what_a_kill_left_half_written_is_cleared_away(tmp_path):
    (tmp_path / "step_00000007.pt.partial").write_bytes(b"half")
    store(tmp_path, 8)
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000008.pt"]


def test_a_folder_without_checkpoints_has_no_newest(tmp_path):
    assert newest(tmp_path / "nowhere") is None


@pytest.mark.parametrize("damage", ["torn", "empty", "one byte"])
def test_a_damaged_newest_falls_back_to_the_one_before(tmp_path, damage, capsys):
    store(tmp_path, 1, 2)
    path = tmp_path / "step_00000002.pt"
    data = bytearray(path.read_bytes())
    if damage == "one byte":
        data[bytes(data).index(torch.full((64,), 2.0).numpy().tobytes()) + 5] ^= 1
    path.write_bytes({"torn": data[: len(data) // 2], "empty": b"", "one byte": data}[damage])
    found = newest(tmp_path)
    assert found is not None
    assert found.step == 1
    assert f"{path}: cannot be read" in capsys.readouterr().err


def test_a_run_goes_on_past_a_damaged_checkpoint_and_replaces_it(tmp_path):
    store(tmp_path, 1, 5)
    (tmp_path / "step_00000005.pt").write_bytes(b"")
    store(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_00000001.pt", "step_00000002.pt"]


def test_a_run_whose_checkpoints_are_all_damaged_does_not_begin_again(tmp_path):
    store(tmp_path, 1)
    (tmp_path / "step_00000001.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="no checkpoint in it can be read"):
        newest(tmp_path)


def test_code_in_a_checkpoint_is_not_executed(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    torch.save({"step": 1, "method": Evil()}, tmp_path / "step_00000001.pt")
    with pytest.raises(ValueError, match="no checkpoint in it can be read"):
        newest(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_a_full_disk_leaves_the_old_checkpoint_intact(tmp_path, monkeypatch):
    store(tmp_path, 1)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match=r"00002.pt could not be written: No space left on device; step_00000001.pt is intact"
    ):
        store(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000001.pt"]
    found = newest(tmp_path)
    assert found is not None
    assert found.step == 1
