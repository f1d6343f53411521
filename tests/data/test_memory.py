"""Memory that is left, as Linux says it: of the machine, and of control groups of either version."""

import subprocess
import sys
from pathlib import Path

import pytest

from frazil.data import memory
from frazil.data.memory import available_memory


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 64 GiB, 40 of them available, and this process in no group."""
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text(f"MemTotal: {64 * 2**20} kB\nMemAvailable:   {40 * 2**20} kB\n")
    monkeypatch.setattr(memory, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "groups")
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def in_group(system: Path, line: str, folder: str, files: dict[str, str]) -> None:
    (system / "proc" / "self" / "cgroup").write_text(f"9:cpu,cpuacct:/\n{line}\n")
    (system / "groups" / folder).mkdir(parents=True)
    for name, text in files.items():
        (system / "groups" / folder / name).write_text(text + "\n")


def test_what_the_machine_has_available(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_memory() == 40 * 2**30
    for name, value in {"TORCHELASTIC_RUN_ID": "one", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    assert available_memory() == 10 * 2**30


def test_ranks_that_slurm_started_share_what_their_machine_has(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "10")
    monkeypatch.setenv("SLURM_STEP_NUM_NODES", "2")
    assert available_memory() == 8 * 2**30


def test_a_job_has_what_its_group_leaves(system: Path) -> None:
    files = {"memory.max": str(8 * 2**30), "memory.current": str(5 * 2**30), "memory.stat": f"inactive_file {2**30}"}
    in_group(system, "0::/job/step", "job/step", files)
    assert available_memory() == 4 * 2**30


def test_the_limit_of_a_group_holds_for_those_within(system: Path) -> None:
    in_group(system, "0::/job/step/user/task", "job/step/user/task", {"memory.max": "max", "memory.current": "5"})
    for name, text in {"memory.max": str(16 * 2**30), "memory.current": str(4 * 2**30)}.items():
        (system / "groups" / "job" / name).write_text(text + "\n")
    assert available_memory() == 12 * 2**30


def test_a_job_of_the_older_kind_too(system: Path) -> None:
    files = {
        "memory.limit_in_bytes": str(2 * 2**30),
        "memory.usage_in_bytes": str(2**30),
        "memory.stat": f"inactive_file 0\ntotal_inactive_file {2**29}",
    }
    in_group(system, "4:memory:/job", "memory/job", files)
    assert available_memory() == 2**30 + 2**29


def test_a_group_without_a_limit_is_none(system: Path) -> None:
    in_group(system, "0::/", "", {"memory.max": "max", "memory.current": "12"})
    assert available_memory() == 40 * 2**30


def test_where_the_system_does_not_say(system: Path) -> None:
    (system / "proc" / "meminfo").unlink()
    assert available_memory() == 8 * 2**30


FAULTS = """
import resource, numpy as np
from frazil.data.memory import keep_freed_memory
KEEP and keep_freed_memory()
for step in range(12):
    if step == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    first, second = np.ones(6_000_000), np.ones(5_000_000)
    del first, second
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_what_is_freed_serves_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", FAULTS.replace("KEEP", keep)])) for keep in ("True", "False")
    )
    assert kept < given_back / 10
