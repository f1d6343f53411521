"""What the commands that evaluate leave: figures on the terminal, and, where asked to, in a folder with a page."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from frazil.io import atomic_path, refuse_what_is_there
from frazil.report import Report


def refuse_run(out: Path | None) -> None:
    """ValueError for the folder of a run, whose page an evaluation's is not."""
    if out is not None:
        refuse_what_is_there(out / "config.json")


def leave_figures(figures: Mapping[str, float], out: Path | None, page: Callable[[], Report]) -> None:
    """Print the figures; into the folder, if there is one, go figures.json and report.html."""
    table = Table(show_header=False, box=None)
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), f"{value:.4g}")
    Console().print(table)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        with atomic_path(out / "figures.json") as temporary:
            temporary.write_text(json.dumps(figures, indent=2))
        print(f"report: {page().write(out / 'report.html')}")
