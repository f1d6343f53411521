"""Commands that the documentation shows exist, with the options shown, and every command is shown."""

import contextlib
import io
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from frazil.cli import main
from frazil.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "benchmarks" / "gpu.md", *sorted((ROOT / "docs").rglob("*.md"))]


def shown(page: Path) -> list[str]:
    """Lines of code that call frazil, and calls within sentences; a line that ends in \\ goes on."""
    text = page.read_text().replace("\\\n", " ")
    lines = re.findall(r"^ {4,}(frazil [^#\n]+)", text, re.MULTILINE)
    return [call for call in [*lines, *re.findall(r"`(frazil [^`]+)`", text)] if not call.startswith("frazil COMMAND")]


def named(words: list[str]) -> list[str]:
    """The commands that a call may name: several for a group such as `frazil simulate`."""
    own = [name for name in COMMANDS if words[: len(name.split())] == name.split()]
    return own or [name for name in COMMANDS if name.split()[: len(words)] == words]


@cache
def options(name: str) -> frozenset[str]:
    """The options of a command as they are written."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit):
        main([*name.split(), "--help"])
    return frozenset(re.findall(r"--[a-z][a-z0-9-]*", said.getvalue()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_call_names_a_command_and_options_that_it_has(page: Path) -> None:
    for call in shown(page):
        if call in ("frazil --help", "frazil --version"):
            continue
        words = [word.strip("[]") for word in shlex.split(call.replace("'", ""))][1:]
        names = named(words)
        assert names, f"{call}: no such command"
        flags = {word.split("=")[0] for word in words if word.startswith("--")}
        assert flags <= options(names[0]) | {"--help"}, f"{call}: {flags - options(names[0])}"


def test_one_page_shows_every_command() -> None:
    calls = [call.split()[1:] for call in shown(ROOT / "docs" / "commands.md")]
    assert set(COMMANDS) == {name for words in calls for name in named(words)}
