"""A figure of the report: finished markup, a title, and how to read it in plain words."""

import html
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reading:
    """How to read a figure, in plain words for someone who has never seen its kind."""

    look: str
    """What is drawn and where to look."""
    good: str = ""
    """What it looks like when all is well."""
    bad: str = ""
    """What it looks like when something is wrong, and what that would be."""

    def markup(self) -> str:
        parts = [f"<p>{html.escape(self.look)}</p>"]
        for name, sentence in (("Good", self.good), ("Bad", self.bad)):
            if sentence:
                parts.append(f'<p><b class="{name.lower()}">{name}</b> {html.escape(sentence)}</p>')
        return f"<figcaption>{''.join(parts)}</figcaption>"


@dataclass(frozen=True)
class Figure:
    """What one figure shows; `body` is markup, everything else is plain text."""

    title: str
    """What is shown, in a few words."""
    body: str
    """Markup that needs no other file."""
    reading: Reading | None = None
    """How to read it."""
    scripts: tuple[str, ...] = ()
    """Scripts of this folder that bring the figure to life; the page carries each once."""


def carried(data: Any) -> str:
    """Data that the page carries for a script beside it."""
    text = json.dumps(data).replace("</", "<\\/")
    return f'<script type="application/json">{text}</script>'


def refusal(title: str, sentence: str) -> Figure:
    """A figure that could not be drawn and says why."""
    return Figure(title, f'<p class="refusal">{html.escape(sentence)}</p>')


def table_markup(rows: Iterable[Mapping[str, object]]) -> str:
    """A table whose columns are the rows' keys in the order of their first appearance."""
    rows = list(rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    side = {column: ' class="number"' if any(_is_number(row.get(column)) for row in rows) else "" for column in columns}
    head = "".join(f'<th scope="col"{side[column]}>{html.escape(column)}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td{side[one]}>{html.escape(readable(row.get(one, '')))}</td>" for one in columns) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def readable(value: object) -> str:
    """A value as a person writes it: four significant digits, thousands apart."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
