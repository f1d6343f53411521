"""cryoDRGN's pickles, held against those that cryodrgn 4.3.1 made of a STAR file (parse_pose_star, parse_ctf_star)."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from frazil.geometry import Pose, random_rotations
from frazil.io import read_particles
from frazil.io.cryodrgn import (
    LENS_COLUMNS,
    read_arrays,
    read_latents,
    read_lenses,
    read_poses,
    write_latents,
    write_lenses,
    write_poses,
)

THEIRS = Path(__file__).parent / "cryodrgn_4.3.1"
FIELD = 24 * 8.0


def test_their_poses_are_those_of_the_star_file() -> None:
    known = read_particles(THEIRS / "particles.star").pose()
    assert known is not None
    found = read_poses(THEIRS / "pose.pkl", FIELD)
    torch.testing.assert_close(found.rotation, known.rotation, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.shift, known.shift, atol=1e-5, rtol=0)


def test_their_lenses_are_those_of_the_star_file() -> None:
    table = read_particles(THEIRS / "particles.star")
    for column, values in zip(LENS_COLUMNS, read_lenses(THEIRS / "ctf.pkl").T, strict=True):
        np.testing.assert_allclose(values, table.numbers(column), rtol=1e-6)


def test_what_is_written_is_theirs(tmp_path: Path) -> None:
    write_poses(tmp_path / "pose.pkl", read_poses(THEIRS / "pose.pkl", FIELD), FIELD)
    for ours, theirs in zip(read_arrays(tmp_path / "pose.pkl"), read_arrays(THEIRS / "pose.pkl"), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)
    write_lenses(tmp_path / "ctf.pkl", read_lenses(THEIRS / "ctf.pkl"))
    assert np.array_equal(read_arrays(tmp_path / "ctf.pkl")[0], read_arrays(THEIRS / "ctf.pkl")[0])
    assert pickle.loads((tmp_path / "ctf.pkl").read_bytes()).dtype == np.float32


def test_poses_come_back_bit_by_bit(tmp_path: Path) -> None:
    """A power of two for a field of view: all else is rounded once."""
    generator = torch.Generator().manual_seed(1)
    pose = Pose(random_rotations(50, generator), 64 * (torch.rand(50, 2, generator=generator) - 0.5))
    write_poses(tmp_path / "pose.pkl", pose, 256.0)
    back = read_poses(tmp_path / "pose.pkl", 256.0)
    assert torch.equal(back.rotation, pose.rotation)
    assert torch.equal(back.shift, pose.shift)


def test_latents_are_an_array_of_single_precision(tmp_path: Path) -> None:
    write_latents(tmp_path / "z.pkl", np.arange(6.0).reshape(3, 2))
    latent = read_latents(tmp_path / "z.pkl")
    assert latent.dtype == np.float32
    assert latent.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_what_is_no_latent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "z.pkl").write_bytes(pickle.dumps(np.zeros(3)))
    with pytest.raises(ValueError, match=r"z\.pkl: holds no latents, \(images, numbers\), but \(3,\)"):
        read_latents(tmp_path / "z.pkl")


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_no_code_of_a_pickle_is_run(tmp_path: Path) -> None:
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps((np.eye(3)[None], Harmful(tmp_path / "made"))))
    with pytest.raises(ValueError, match=r"bad.pkl: is no pickle of arrays \(it would run posix.mkdir\)"):
        read_arrays(tmp_path / "bad.pkl")
    assert not (tmp_path / "made").exists()


ROTATION = np.eye(3)[None].repeat(3, 0)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ((ROTATION, np.full((3, 2), 5.0)), r"row 1 is shifted by \[5.0, 5.0\], which is no fraction of a box"),
        ((ROTATION, np.zeros((2, 2))), r"3 rotations, but shifts of shape \(2, 2\)"),
        ((2 * ROTATION, np.zeros((3, 2))), "row 1 is no rotation"),
        ((ROTATION * [[1], [1], [-1]],), "row 1 is no rotation"),
        ((np.zeros((3, 4)),), r"holds no poses, \(N, 3, 3\)"),
        (ROTATION * np.nan, "row 1 holds a value that is not finite"),
        (["text"], "holds list, not arrays of numbers"),
    ],
)
def test_what_is_no_pose_is_refused_with_its_row(tmp_path: Path, what: object, sentence: str) -> None:
    (tmp_path / "odd.pkl").write_bytes(pickle.dumps(what))
    with pytest.raises(ValueError, match=rf"odd\.pkl: {sentence}"):
        read_poses(tmp_path / "odd.pkl", FIELD)


def test_rotations_alone_are_of_centred_particles(tmp_path: Path) -> None:
    (tmp_path / "pose.pkl").write_bytes(pickle.dumps(ROTATION))
    assert read_poses(tmp_path / "pose.pkl", FIELD).shift.abs().max() == 0


def test_what_is_no_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pkl").write_text("no pickle")
    with pytest.raises(ValueError, match=r"text\.pkl: is no pickle of arrays"):
        read_arrays(tmp_path / "text.pkl")
    with pytest.raises(FileNotFoundError, match=r"none\.pkl does not exist"):
        read_arrays(tmp_path / "none.pkl")
