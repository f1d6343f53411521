"""What runs that learn are told alike."""

from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from frazil.io import write_record
from frazil.methods.base import Method
from frazil.recipes.running.learning import fit_settings, load_learnt, say_if_stopped, write_report
from frazil.report import Report
from frazil.training import RunFolder
from frazil.training.checkpoint import Checkpoint, save


@dataclass(frozen=True)
class Options:
    seed: int = 5
    max_minutes: float | None = 2.5
    device: str = "cpu"


def test_the_loop_is_told_what_the_options_say() -> None:
    settings = fit_settings(Options(), 70, log_every=3, precision="bf16-mixed")
    assert (settings.steps, settings.seed, settings.max_minutes) == (70, 5, 2.5)
    assert (settings.device, settings.precision, settings.log_every) == ("cpu", "bf16-mixed", 3)


def test_a_run_that_is_stopped_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    say_if_stopped(True)
    assert capsys.readouterr().out == ""
    say_if_stopped(False)
    assert capsys.readouterr().out == "stopped as --max-minutes asks; the same command goes on\n"


def test_what_a_run_learnt_is_used_and_said_to_be_part_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(tmp_path / "config.json", {"config": {"learning": {"steps": 40}}})
    for step, said in ((5, f"{tmp_path}: has learnt for 5 of 40 steps\n"), (40, "")):
        save(tmp_path / "checkpoints", Checkpoint(step, {}))
        load_learnt(tmp_path, lambda _: Mock(spec=Method), torch.device("cpu"), "pose train")
        assert capsys.readouterr().out == said


def test_warnings_of_the_page_stand_in_the_terminal_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("A run", "of nothing")
    report.warn("The map is no map.")
    write_report(report, RunFolder(tmp_path))
    assert capsys.readouterr().out == f"report: {tmp_path / 'report.html'}\nwarning: The map is no map.\n"
