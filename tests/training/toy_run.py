"""A toy method and a command that trains it, for what only a process of its own can show."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from frazil import cli, commands
from frazil.methods.base import Method, StepContext
from frazil.training import FitSettings, RunFolder, fit

BATCH = 8


class Toy(Method):
    """Regression with what makes resuming hard: momenta, an average of the iterates, dropout, noise."""

    def __init__(self, dropout: float = 0.2) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 1))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-2)
        self.average = torch.zeros(1, 16)
        self.spoil: dict[int, str] = {}
        self.autocast_seen: set[bool] = set()

    def update(self, batch: torch.Tensor, context: StepContext) -> dict[str, torch.Tensor | float]:
        noise = torch.randn(BATCH, 1, generator=context.generator("noise"), device=context.device)
        with context.autocast():
            self.autocast_seen.add(torch.is_autocast_enabled(context.device.type))
            guess = self.net(batch)
        target = batch.sum(1, keepdim=True) + 0.1 * noise[context.share(BATCH)]
        loss = (guess.float() - target).square().mean()
        context.descend(self.optimizer, loss)
        last: Any = self.net[-1]
        self.average = self.average.lerp(last.weight.detach(), 0.1)
        if self.spoil.get(context.step) == "parameter":
            self.average[0, 0] = torch.nan
        if self.spoil.get(context.step) == "scalar":
            loss = loss * torch.inf
        return {"loss": loss, "rate": 0.01}

    def figures(self, context: StepContext) -> dict[str, float]:
        return {"resolution": float("inf") if context.step < 10 else 25.0}

    def stage(self, step: int) -> str:
        return "32 px" if step < 10 else "48 px"

    def state_dict(self) -> dict[str, Any]:
        return {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict(), "average": self.average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average = state["average"].to(self.average.device)

    def to(self, device: torch.device) -> None:
        self.net.to(device)
        self.average = self.average.to(device)


def batches(context: StepContext) -> torch.Tensor:
    """This rank's rows of a random batch."""
    rows = torch.randn(BATCH, 4, generator=context.generator("batch"), device=context.device)
    return rows[context.share(BATCH)]


@dataclass(frozen=True)
class ToyRun:
    """Train the toy."""

    out: Path
    """Where the run is kept."""
    steps: int = 200
    """Updates."""
    pause: float = 0.0
    """Seconds a step takes at least."""
    checkpoint_seconds: float = 0.0
    """Time between checkpoints."""
    dropout: float = 0.2
    """Not for two ranks, which drop different units than one."""
    seed: int = 0
    """Seed of the data."""


def run(options: ToyRun) -> None:
    """Train, and leave the final state in `final.pt`."""

    def slow_batches(context: StepContext) -> torch.Tensor:
        if context.step == 1:
            (options.out / f"started_{os.getpid()}").touch()
        time.sleep(options.pause)
        return batches(context)

    folder = RunFolder.open(options.out, {"steps": options.steps, "seed": options.seed})
    toy = Toy(options.dropout)
    if folder.is_main is False:
        nn.init.zeros_(toy.net[0].weight)  # ranks that began apart are brought together
    settings = FitSettings(
        options.steps, options.seed, log_every=20, checkpoint_seconds=options.checkpoint_seconds, device="cpu"
    )
    fit(toy, slow_batches, settings, folder)
    rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))  # torchrun's, srun's
    torch.save(toy.state_dict(), options.out / f"final_{rank}.pt")


if __name__ == "__main__":
    commands.COMMANDS["toy"] = commands.Command("__main__", "ToyRun", "run", "train the toy")
    sys.exit(cli.main(["toy", *sys.argv[1:]]))
