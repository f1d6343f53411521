"""The report: one page that opens offline, from figures, tables and sentences."""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from string import Template

from frazil import __version__
from frazil.io import atomic_path
from frazil.report.figure import Figure, Reading, readable, table_markup


@dataclass
class Section:
    """A heading of the page and the finished markup under it."""

    title: str
    parts: list[str] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


class Report:
    """A page built from the top down; key figures and warnings stand at its head whenever they are added."""

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self.subtitle = subtitle
        self.headlines: list[str] = []
        self.warnings: list[str] = []
        self.sections: list[Section] = []
        self.scripts: dict[str, None] = {}
        self.readings: dict[Reading | None, str] = {}

    def headline(self, label: str, value: object, unit: str = "", note: str = "") -> None:
        """A key figure as a large number with its unit, and in small print how it was measured.

        Numbers are rounded to four significant digits; a text stands as it is.
        """
        label, value, unit, note = (html.escape(readable(part)) for part in (label, value, unit, note))
        number = f'<span class="value">{value}</span> <span class="unit">{unit}</span>'
        self.headlines.append(f'<div><dt>{label}</dt><dd>{number}<span class="note">{note}</span></dd></div>')

    def warn(self, sentence: str) -> None:
        """A sentence the reader must not miss."""
        self.warnings.append(sentence)

    def section(self, title: str) -> None:
        """Start a section; what is added next stands under it."""
        self.sections.append(Section(title))

    def text(self, paragraph: str) -> None:
        """A paragraph of plain text."""
        self._add(f"<p>{html.escape(paragraph)}</p>")

    def table(self, title: str, rows: Iterable[Mapping[str, object]], reading: str = "") -> None:
        """A table whose columns are the rows' keys; numbers are rounded to four digits and stand to the right."""
        self.figure(Figure(title, table_markup(rows), Reading(reading) if reading else None))

    def figure(self, figure: Figure) -> None:
        """A figure with its title above it and how to read it below, said in full the first time."""
        reading = figure.reading
        if reading in self.readings:
            reading = Reading(f"Read it like “{self.readings[reading]}” above.")
        elif reading:
            self.readings[reading] = figure.title
        caption = reading.markup() if reading else ""
        self._add(f"<figure><h3>{html.escape(figure.title)}</h3>{figure.body}{caption}</figure>")
        self.scripts |= dict.fromkeys(figure.scripts)

    def html(self) -> str:
        """The whole page."""
        folder = files("frazil.report")
        scripts = (f"<script>\n{folder.joinpath(name).read_text('utf-8')}</script>" for name in self.scripts)
        return Template(folder.joinpath("page.html").read_text("utf-8")).substitute(
            title=html.escape(self.title),
            subtitle=f'<p class="subtitle">{html.escape(self.subtitle)}</p>' if self.subtitle else "",
            style=folder.joinpath("style.css").read_text("utf-8"),
            warnings=_wrapped(
                '<aside class="warnings" aria-label="Warnings"><h2>Look at this first</h2><ul>{}</ul></aside>',
                [f"<li>{html.escape(sentence)}</li>" for sentence in self.warnings],
            ),
            headlines=_wrapped('<dl class="headlines">{}</dl>', self.headlines),
            contents=self._contents(),
            sections="\n".join(
                f'<section id="{part.anchor}"><h2>{html.escape(part.title)}</h2>{"".join(part.parts)}</section>'
                for part in self.sections
            ),
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            version=__version__,
            scripts="\n".join(scripts),
        )

    def write(self, path: str | Path) -> Path:
        """Write the page; an older one stays until the new one is complete."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.html(), "utf-8")
        return Path(path)

    def _add(self, markup: str) -> None:
        if not self.sections:
            raise ValueError(f"the report '{self.title}' has no section yet to put this under: call section() first")
        self.sections[-1].parts.append(markup)

    def _contents(self) -> str:
        links = [f'<a href="#{part.anchor}">{html.escape(part.title)}</a>' for part in self.sections]
        return _wrapped('<nav aria-label="Sections">{}</nav>', links) if len(links) > 1 else ""


def _wrapped(markup: str, parts: list[str]) -> str:
    return markup.format("".join(parts)) if parts else ""
