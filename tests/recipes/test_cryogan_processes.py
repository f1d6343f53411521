"""`frazil cryogan` in processes of its own: kills and ranks."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.slow

CHECKPOINTS_AT_EVERY_STEP = """
import sys
from functools import partial
from frazil import cli
from frazil.recipes.running import learning
from frazil.training import FitSettings
learning.FitSettings = partial(FitSettings, checkpoint_seconds=0.0)
sys.exit(cli.main(sys.argv[1:]))
"""
TWO_STAGES = [
    "--boxes",
    "16",
    "24",
    "--steps",
    "30",
    "30",
    "--batch-sizes",
    "8",
    "8",
    "--log-every",
    "10",
    "--finer",
    "always",
]


def start(words: list[str], ranks: int = 1) -> subprocess.Popen:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", "-m", "frazil"]
    program = launcher if ranks > 1 else ["-c", CHECKPOINTS_AT_EVERY_STEP]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *program, *words], env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen) -> str:
    """What a process that must succeed has printed."""
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    return out


def command(data: Path, out: Path, tiny_options: list[str], *options: str) -> list[str]:
    return ["cryogan", str(data / "particles.star"), "--out", str(out), *tiny_options, *options]


def checkpoints(out: Path) -> list[Path]:
    return sorted((out / "checkpoints").glob("step_*.pt"))


def test_a_run_killed_at_random_moments_gives_the_maps_of_the_undisturbed_one(
    data: Path, tmp_path: Path, tiny_options: list[str]
) -> None:
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    finish(start(command(data, calm, tiny_options, *TWO_STAGES)))
    kills = 0
    for _ in range(5):
        process = start(command(data, killed, tiny_options, *TWO_STAGES))
        seen = checkpoints(killed)
        while process.poll() is None and checkpoints(killed) == seen:
            time.sleep(0.02)
        time.sleep(random.random())
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 3
    finish(start(command(data, killed, tiny_options, *TWO_STAGES)))
    for name in ("half1.mrc", "half2.mrc", "map.mrc", "fsc.csv", "particles.star"):
        assert (killed / name).read_bytes() == (calm / name).read_bytes()
    left = [path.name for path in killed.rglob("*") if path.suffix == ".partial"]
    assert left == []


def test_a_run_killed_while_it_exports_is_exported_by_the_next(
    data: Path, tmp_path: Path, tiny_options: list[str]
) -> None:
    out = tmp_path / "run"
    process = start(command(data, out, tiny_options))
    while process.poll() is None and not (out / "half1.mrc").exists():
        time.sleep(0.001)
    process.kill()
    process.communicate()
    before = (out / "half1.mrc").read_bytes()
    finish(start(command(data, out, tiny_options)))
    assert (out / "half1.mrc").read_bytes() == before
    assert (out / "report.html").is_file()


def learnt(out: Path) -> list[dict[str, Any]]:
    """The halves of the last checkpoint, without the optimizers' state."""
    halves = torch.load(checkpoints(out)[-1], weights_only=True)["method"]["halves"]
    return [{name: value for name, value in half.items() if "optimizer" not in name} for half in halves]


def test_two_ranks_give_the_parameters_of_one_with_the_joined_batch(
    data: Path, tmp_path: Path, tiny_options: list[str]
) -> None:
    options = ["--boxes", "16", "24", "--steps", "3", "3", "--batch-sizes", "8", "8", "--finer", "always"]
    for ranks in (1, 2):
        finish(start(command(data, tmp_path / f"{ranks}", tiny_options, *options), ranks))
    for one, two in zip(learnt(tmp_path / "1"), learnt(tmp_path / "2"), strict=True):
        # In single precision Adam makes a whole step of a gradient that is only rounding, in a few voxels.
        assert (two["voxels"] - one["voxels"]).norm() < 0.01 * one["voxels"].norm()
        for name in one["critics"][0]["critic"]:
            torch.testing.assert_close(
                two["critics"][0]["critic"][name], one["critics"][0]["critic"][name], rtol=1e-3, atol=1e-4
            )
