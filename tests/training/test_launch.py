"""A device is chosen or refused in a sentence."""

import pytest
import torch

from frazil.training.launch import launch


@pytest.mark.parametrize("name", ["gpu", "cpu:0", "cuda:x", ""])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(ValueError, match="choose auto, cpu, cuda or cuda:N"):
        launch(name, "32-true")


def test_a_device_that_is_not_there_is_refused():
    count = torch.cuda.device_count()
    with pytest.raises(ValueError, match=f"device 'cuda:{count}': 1 processes see {count} CUDA devices"):
        launch(f"cuda:{count}", "32-true")


def test_a_script_under_sbatch_runs_alone_though_slurm_granted_more_tasks(monkeypatch):
    for name, value in {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}.items():
        monkeypatch.setenv(name, value)
    assert launch("cpu", "32-true").world_size == 1
