"""The command line answers fast, and every failure is one sentence."""

import errno
import importlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import frazil
from frazil import cli, commands


@dataclass(frozen=True)
class Fake:
    """A command that does what the test wants."""

    particles: str = "a.star"
    """Particles."""


outcome: object = None
"""What the fake command returns, or raises."""


def act(options: Fake) -> object:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@pytest.fixture
def fake(monkeypatch):
    """Runs a command that returns or raises what it is given."""
    monkeypatch.setitem(sys.modules, "frazil_tests_fake", sys.modules[__name__])
    monkeypatch.setitem(
        commands.COMMANDS, "fake", commands.Command("frazil_tests_fake", "Fake", "act", "for the tests")
    )
    monkeypatch.delenv("FRAZIL_DEBUG", raising=False)

    def run(result: object, *arguments: str) -> int:
        monkeypatch.setattr(sys.modules[__name__], "outcome", result)
        return cli.main(["fake", *arguments])

    return run


def test_help_lists_the_commands_within_a_second_and_without_torch():
    code = (
        "import sys; from frazil.cli import main; main(['--help']); sys.exit(bool({'torch','tyro'} & {*sys.modules}))"
    )
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds.append(time.monotonic() - began)
    assert min(seconds) < 1
    for name, command in commands.COMMANDS.items():
        assert f"  {name} " in answer.stdout
        assert command.help in answer.stdout


def test_no_command_at_all_gives_the_help(capsys):
    assert cli.main([]) == 0
    assert "usage: frazil COMMAND" in capsys.readouterr().out


def test_the_version_is_told(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"frazil {frazil.__version__}\n"


def test_frazil_runs_as_a_module():
    command = [sys.executable, "-m", "frazil", "--version"]
    assert subprocess.run(command, capture_output=True, check=True).stdout.startswith(b"frazil ")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["cryogna"], "'cryogna'; did you mean cryogan?"),
        (["simulate", "particels"], "'simulate particels'; did you mean simulate particles?"),
        (["--hlep"], "'--hlep'"),
        (["xyzzy"], "'xyzzy'; `frazil --help` lists them"),
    ],
)
def test_an_unknown_command_gets_the_nearest_one_and_exit_code_2(words, hint, capsys):
    assert cli.main(words) == 2
    assert capsys.readouterr().err.startswith(f"frazil: error: there is no command {hint}")


@pytest.mark.parametrize("words", [["simulate"], ["simulate", "--help"]])
def test_a_group_of_commands_lists_its_members(words, capsys):
    assert cli.main(words) == 0
    listed = capsys.readouterr().out
    assert "simulate particles" in listed
    assert "cryogan" not in listed


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_says_what_each_of_its_options_is(name, capsys):
    command = commands.COMMANDS[name]
    assert callable(getattr(importlib.import_module(command.module), command.function))
    with pytest.raises(SystemExit) as stop:
        cli.main([*name.split(), "--help"])
    assert stop.value.code == 0
    assert f"usage: frazil {name}" in capsys.readouterr().out


def test_a_seed_is_not_negative(capsys):
    assert cli.main(["simulate", "subtomograms", "pseudo-protein", "--out", "nowhere", "--seed", "-3"]) == 1
    assert capsys.readouterr().err == "frazil: error: --seed must not be negative, it is -3\n"


def test_a_wrong_option_gives_exit_code_2(fake, capsys):
    with pytest.raises(SystemExit) as stop:
        fake(None, "--partciles", "b.star")
    assert stop.value.code == 2
    assert "--particles" in capsys.readouterr().err


@pytest.mark.parametrize(("result", "code"), [(None, 0), (3, 3), ("a result for Python", 0)])
def test_the_exit_code_is_the_one_of_the_command(fake, result, code):
    assert fake(result) == code


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("a.star: 1522 rows,\n  1500 images"), "a.star: 1522 rows, 1500 images"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a.star"), "a.star: No such file or directory"),
        (FileNotFoundError("a.star: the stack b.mrcs is missing"), "a.star: the stack b.mrcs is missing"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (FloatingPointError("step 6: loss is nan"), "step 6: loss is nan"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory."), "CUDA out of memory."),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence_and_exit_code_1(fake, error, sentence, capsys):
    assert fake(error) == 1
    assert capsys.readouterr().err == f"frazil: error: {sentence}\n"


def test_the_traceback_is_shown_on_request(fake, monkeypatch):
    monkeypatch.setenv("FRAZIL_DEBUG", "1")
    with pytest.raises(ValueError, match="bad"):
        fake(ValueError("bad"))


def test_a_bug_keeps_its_traceback(fake):
    with pytest.raises(KeyError):
        fake(KeyError("volume"))


def test_ctrl_c_exits_with_130(fake, capsys):
    assert fake(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "frazil: interrupted\n"


def test_a_run_that_stopped_in_order_says_how_far_it_came(fake, capsys):
    assert fake(KeyboardInterrupt("stopped after step 6 of 30", 143)) == 143
    assert capsys.readouterr().err == "frazil: stopped after step 6 of 30\n"


@pytest.mark.slow
def test_a_reader_that_has_gone_is_no_error(tmp_path: Path):
    script = tmp_path / "fake.py"
    script.write_text(
        "import sys\n"
        "from dataclasses import dataclass\n"
        "from frazil import cli, commands\n"
        "@dataclass(frozen=True)\n"
        "class Fake: pass\n"
        "def act(options):\n"
        "    for number in range(100_000): print(number)\n"
        "commands.COMMANDS['fake'] = commands.Command('__main__', 'Fake', 'act', '')\n"
        "sys.exit(cli.main(['fake']))\n"
    )
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()
