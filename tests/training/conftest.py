"""The toy method, and what it takes to train it in this process."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from frazil.training import FitSettings, RunFolder, fit

TOY_SCRIPT = Path(__file__).with_name("toy_run.py")


def _load_toy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("frazil_tests_toy_run", TOY_SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TOY = _load_toy()


class Trainer:
    """Trains a toy in a folder of its own."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.toy = TOY.Toy()

    def fit(self, steps: int = 30, batches: Any = TOY.batches, **settings: Any) -> bool:
        """Open the folder and train, as a command would."""
        chosen = {"log_every": 4, "checkpoint_seconds": 1e6, "device": "cpu", **settings}
        return fit(self.toy, batches, FitSettings(steps, **chosen), RunFolder.open(self.out, {"steps": steps}))

    def again(self) -> "Trainer":
        """The same command in a new process, as far as one process can show it."""
        torch.manual_seed(12345)
        return Trainer(self.out)

    def log(self) -> list[dict[str, Any]]:
        """The lines of the log without their times."""
        lines = [json.loads(line) for line in (self.out / "log.jsonl").read_text().splitlines()]
        return [{key: value for key, value in line.items() if key != "elapsed"} for line in lines]

    def checkpoints(self) -> list[str]:
        """The names of the files among the checkpoints."""
        return sorted(path.name for path in (self.out / "checkpoints").iterdir())


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return Trainer(tmp_path / "run")


@pytest.fixture
def other_trainer(tmp_path: Path) -> Trainer:
    return Trainer(tmp_path / "other_run")


@pytest.fixture
def toy_script() -> Path:
    return TOY_SCRIPT
