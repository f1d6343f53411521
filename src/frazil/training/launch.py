"""Where a run computes: the device, the precision and the ranks, by Lightning Fabric."""

import atexit
import logging
import os
from collections.abc import Iterable
from typing import cast

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import LightningEnvironment
from torch import Tensor, nn

from frazil.data.ranks import ranks, ranks_here


def launch(device: str, precision: str) -> Fabric:
    """Join the ranks that torchrun or srun started, if any, on the device: auto, cpu, cuda or cuda:N."""
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    count, here, chosen = ranks(), ranks_here(), choose_device(device)
    if count > 1:  # Fabric goes by the job's name, tasks and machines, which need not be those of this srun
        told = {"NTASKS": count, "NTASKS_PER_NODE": here, "NNODES": count // here, "JOB_NAME": "frazil"}
        told["NODELIST"] = os.environ.get("SLURM_STEP_NODELIST", "127.0.0.1")
        os.environ.update({f"SLURM_{name}": str(value) for name, value in told.items()})
    fabric = Fabric(
        accelerator=chosen.type,
        devices=here if chosen.index is None else [chosen.index],
        num_nodes=count // here,
        strategy="ddp" if count > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
        # Left to itself, Fabric takes a script under sbatch for one of several tasks, and waits for the others.
        plugins=[] if count > 1 else [LightningEnvironment()],
    )
    if count > 1 and not torch.distributed.is_initialized():
        atexit.register(torch.distributed.destroy_process_group)
    fabric.launch()
    return fabric


def choose_device(name: str) -> torch.device:
    """The device that auto, cpu, cuda or cuda:N means here; ValueError where this machine has no such one."""
    here = ranks_here()
    kind, _, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and not (kind == "cuda" and index.isdecimal())):
        raise ValueError(f"device {name!r}: choose auto, cpu, cuda or cuda:N")
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cpu" or (kind == "auto" and present == 0):
        return torch.device("cpu")
    if here > (1 if index else present) or int(index or 0) >= present:
        raise ValueError(f"device {name!r}: {here} processes see {present} CUDA devices, and each needs one")
    return torch.device("cuda", int(index)) if index else torch.device("cuda")


def over_ranks(fabric: Fabric, tensor: Tensor, what: str) -> Tensor:
    """The "mean" or the "max" of a tensor over the ranks."""
    return cast(Tensor, fabric.all_reduce(tensor, reduce_op=what))


def average_gradients(fabric: Fabric, parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the ranks, all in one message."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if fabric.world_size == 1 or not gradients:
        return
    joined = over_ranks(fabric, torch.cat([gradient.reshape(-1) for gradient in gradients]), "mean")
    for gradient, part in zip(gradients, joined.split([one.numel() for one in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
