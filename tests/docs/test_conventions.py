"""The page of conventions promises a test for every statement."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "conventions.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_the_conventions_name_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / "tests" / file).read_text()


def test_every_section_of_the_conventions_names_a_test() -> None:
    assert len(NAMED) > 30
    for section in PAGE.split("\n## ")[1:]:
        assert "::test_" in section, section.splitlines()[0]
