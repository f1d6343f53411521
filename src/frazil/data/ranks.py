"""How many processes torchrun or srun has started to share the work."""

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


def _by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ
