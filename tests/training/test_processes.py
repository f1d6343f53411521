"""What only processes of their own can show: kills, exit codes, ranks."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.slow


@pytest.fixture
def start(toy_script: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts the toy's command; what still runs at the end of the test is ended."""
    started: list[subprocess.Popen] = []

    def begin(
        out: Path, *options: str, ranks: int = 1, told: Mapping[str, str] | None = None, **popen: Any
    ) -> subprocess.Popen:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"] if ranks > 1 else []
        command = [sys.executable, *launcher, str(toy_script), "--out", str(out), *options]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **(told or {})}
        started.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, **popen))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait()
        if process.stderr:
            process.stderr.close()


def finish(process: subprocess.Popen) -> str:
    """Wait for a process that must succeed."""
    errors = process.communicate(timeout=240)[1]
    assert process.returncode == 0, errors
    return errors


def wait_until_it_trains(process: subprocess.Popen, out: Path) -> None:
    while not list((out / "checkpoints").glob("step_*.pt")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def test_a_run_killed_at_random_moments_ends_as_the_undisturbed_one(tmp_path, start):
    finish(start(tmp_path / "calm"))
    out, kills = tmp_path / "killed", 0
    for _ in range(5):
        process = start(out, "--pause", "0.01")
        wait_until_it_trains(process, out)
        time.sleep(random.random())
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 3
    finish(start(out))
    states = [torch.load(folder / "final_0.pt", weights_only=True) for folder in (tmp_path / "calm", out)]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_leaves_a_checkpoint_and_the_exit_code(tmp_path, start, number, code):
    process = start(tmp_path, "--pause", "0.05")
    wait_until_it_trains(process, tmp_path)
    process.send_signal(number)
    errors = process.communicate()[1]
    assert process.returncode == code
    assert "frazil: stopped after step" in errors
    assert "Traceback" not in errors
    step = int(errors.split("stopped after step ")[1].split()[0])
    assert (tmp_path / "checkpoints" / f"step_{step:08d}.pt").is_file()


def test_a_full_disk_is_one_sentence(tmp_path, start):
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    process = start(tmp_path, preexec_fn=small_disk)
    errors = process.communicate()[1]
    assert process.returncode == 1
    assert "frazil: error:" in errors
    assert "could not be written: File too large" in errors
    assert "Traceback" not in errors
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_two_ranks_give_the_parameters_of_one_with_the_joined_batch(tmp_path, start):
    options = "--steps", "30", "--dropout", "0", "--checkpoint-seconds", "1000"
    finish(start(tmp_path / "one", *options))
    finish(start(tmp_path / "two", *options, ranks=2))
    one, rank_0, rank_1 = (
        torch.load(path, weights_only=True)
        for path in (tmp_path / "one/final_0.pt", tmp_path / "two/final_0.pt", tmp_path / "two/final_1.pt")
    )
    torch.testing.assert_close(rank_0, rank_1, rtol=0, atol=0)
    torch.testing.assert_close(rank_0["net"], one["net"], rtol=1e-4, atol=1e-5)


def test_srun_gives_ranks_whatever_the_job_that_it_is_part_of(tmp_path, start):
    """An interactive job of four tasks on two machines, two tasks of which srun has started on one."""
    job = {"JOB_NAME": "interactive", "JOB_ID": "71234", "NTASKS": "4", "NNODES": "2", "NODELIST": "elsewhere[1-2]"}
    step = {"STEP_NUM_TASKS": "2", "STEP_NUM_NODES": "1", "STEP_NODELIST": "localhost", "NODEID": "0"}
    here = [job | step | {"PROCID": number, "LOCALID": number} for number in "01"]
    for process in [
        start(tmp_path / "run", "--steps", "8", told={f"SLURM_{name}": value for name, value in each.items()})
        for each in here
    ]:
        finish(process)
    assert len(list((tmp_path / "run").glob("started_*"))) == 2
    states = [torch.load(tmp_path / "run" / f"final_{number}.pt", weights_only=True) for number in "01"]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


def test_two_ranks_resume_together(tmp_path, start):
    options = "--steps", "30", "--dropout", "0"
    finish(start(tmp_path / "calm", *options, ranks=2))
    process = start(tmp_path / "stopped", *options, "--pause", "0.1", ranks=2)
    wait_until_it_trains(process, tmp_path / "stopped")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert not (tmp_path / "stopped" / "final_0.pt").exists()
    finish(start(tmp_path / "stopped", *options, ranks=2))
    states = [torch.load(tmp_path / name / "final_0.pt", weights_only=True) for name in ("calm", "stopped")]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)
