"""The table of where things are names every module, and none that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "frazil"
KINDS = (".py", ".js", ".css", ".html")


def named() -> set[str]:
    """Modules that the table names: with their folder, or after one that has it."""
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## Where things are")[2].partition("\n## ")[0]
    folder, found = "", set()
    for word in re.findall(r"`([\w/]+(?:\.(?:py|js|css|html))?)[`:]", table):
        own, _, file = word.rpartition("/")
        folder = own or folder
        if file.endswith(KINDS):
            found.add(f"{folder}/{file}" if own or not (SOURCE / file).exists() else file)
    return found


def test_every_module_is_in_the_table() -> None:
    every = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*") if path.suffix in KINDS}
    assert {name for name in every if not name.endswith(("__init__.py", "__main__.py"))} - named() == set()


def test_what_the_table_names_is_there() -> None:
    assert [name for name in sorted(named()) if not (SOURCE / name).exists()] == []
