"""The page as a whole: complete in itself, safe to interrupt, safe with any text."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from frazil.report import Figure, Reading, Report

READING = Reading("Look here.", "It is flat.", "It is not.")


class Tags(HTMLParser):
    """Every opening tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.all.append((tag, dict(attributes)))


def report_with(*figures: Figure) -> Report:
    report = Report("Title")
    report.section("Section")
    for figure in figures:
        report.figure(figure)
    return report


def test_the_page_names_no_other_file_and_no_address(sample_page: Path) -> None:
    tags = Tags(sample_page.read_text("utf-8")).all
    targets = [attributes[name] or "" for _, attributes in tags for name in ("src", "href") if name in attributes]
    assert targets
    assert all(target.startswith(("data:image/png;base64,", "#")) for target in targets)
    assert not [tag for tag, _ in tags if tag in {"link", "iframe", "object"}]
    assert "url(http" not in sample_page.read_text("utf-8")


def test_the_page_stays_small(sample_page: Path) -> None:
    assert sample_page.stat().st_size < 2e6


def test_the_page_carries_each_script_once(sample_page: Path) -> None:
    page = sample_page.read_text("utf-8")
    assert page.count("class Viewer") == 1
    assert page.count("A pointer over a chart") == 1


def test_a_page_without_interactive_figures_carries_no_script() -> None:
    assert "<script" not in report_with(Figure("Plain", "<p>body</p>")).html()


def test_text_cannot_become_markup() -> None:
    nasty = "<script>alert('&')</script>"
    report = Report(nasty, nasty)
    report.headline(nasty, nasty, nasty, nasty)
    report.warn(nasty)
    report.section(nasty)
    report.text(nasty)
    report.table(nasty, [{nasty: nasty}], nasty)
    report.figure(Figure(nasty, "", READING))
    assert "<script" not in report.html()
    assert "$" not in re.sub(r"<style>.*?</style>", "", Report("costs $5 $title").html(), flags=re.DOTALL).replace(
        "costs $5 $title", ""
    )


def test_key_figures_and_warnings_stand_before_the_sections() -> None:
    report = report_with(Figure("Late", "<p>body</p>"))
    report.headline("Half-map resolution", 8.4321, "Å")
    report.headline("Images", 41123)
    report.warn("Something is odd.")
    page = report.html()
    assert "8.432" in page
    assert "41,123" in page
    assert page.index("Something is odd.") < page.index("Late")
    assert page.index("8.432") < page.index("Late")


def test_a_page_without_warnings_has_no_warning_box() -> None:
    assert 'class="warnings"' not in report_with().html()


def test_how_to_read_a_kind_of_figure_is_said_in_full_once() -> None:
    page = report_with(Figure("One", "<p>1</p>", READING), Figure("Two", "<p>2</p>", READING)).html()
    assert page.count("Look here.") == 1
    assert page.count("It is not.") == 1
    assert "Read it like “One” above." in page


def test_what_comes_before_the_first_section_is_refused() -> None:
    with pytest.raises(ValueError, match="'Title' has no section yet"):
        Report("Title").text("too early")


def test_a_write_that_fails_leaves_the_older_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = report_with().write(tmp_path / "report.html")
    before = path.read_text("utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        Report("Newer").write(path)
    assert path.read_text("utf-8") == before
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_table_takes_the_columns_of_all_its_rows() -> None:
    report = Report("Title")
    report.section("Section")
    report.table("Table", [{"method": "ours", "error": 0.123456}, {"method": "theirs", "seconds": 12}])
    page = report.html()
    header = re.findall(r'<th scope="col".*?>(.*?)</th>', page)
    assert header == ["method", "error", "seconds"]
    assert '<td class="number">0.1235</td>' in page
