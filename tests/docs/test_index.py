"""The index leads to every page, and no link of the documentation leads nowhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


def linked(page: Path) -> list[Path]:
    """The files of this repository that a page links to."""
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    return [(page.parent / target).resolve() for target in targets if "://" not in target]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    assert [str(target) for target in linked(page) if not target.exists()] == []


def test_the_index_leads_to_every_page_and_every_example() -> None:
    pages = {*DOCS.rglob("*.md"), *(ROOT / "examples").glob("*.py")} - {DOCS / "index.md"}
    assert pages - set(linked(DOCS / "index.md")) == set()


def test_the_readme_leads_to_the_index() -> None:
    assert DOCS / "index.md" in linked(ROOT / "README.md")
