"""Who shares the work: the processes that torchrun or srun has started, and the cores of this one."""

import os


def ranks() -> int:
    """All of them; 1 for a program that was started alone."""
    # Only srun sets the STEP variables; sbatch sets SLURM_NTASKS also for a script that runs once.
    return int(os.environ["WORLD_SIZE"] if _by_torchrun() else os.environ.get("SLURM_STEP_NUM_TASKS", 1))


def ranks_here() -> int:
    """Those on this machine."""
    if _by_torchrun():
        return int(os.environ["LOCAL_WORLD_SIZE"])
    return ranks() // int(os.environ.get("SLURM_STEP_NUM_NODES", 1))


def cores() -> int:
    """Processor cores that this process may use: a batch job's, not its machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ
