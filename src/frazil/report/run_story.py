"""What every run's page tells, whatever it made: how it went, what its images look like, how to repeat it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor

from frazil.report.figure import Figure, Reading
from frazil.report.history import history_figure
from frazil.report.images import comparison_figure
from frazil.report.page import Report
from frazil.report.provenance import provenance_figure
from frazil.training import RunFolder


@dataclass(frozen=True)
class Scalars:
    """What a method logs, and how a person reads it."""

    panels: Mapping[str, Sequence[str]]
    """Scalars that share a panel, under its label."""
    headlines: Mapping[str, tuple[str, str]]
    """A scalar whose last value stands at the head, and what it is, under its label."""
    reading: Reading


@dataclass(frozen=True)
class RunStory:
    """What a page needs to know of a run beside what it made."""

    title: str
    scalars: Scalars
    folder: RunFolder
    stages: Mapping[str, int] = field(default_factory=dict)
    """The step at which each stage began."""
    found: Mapping[str, Figure] = field(default_factory=dict)
    """What the method found beside its maps, poses say, each under a heading of its own."""
    real: Float[Tensor, "real box box"] | None = None
    simulated: Float[Tensor, "simulated box box"] | None = None
    images: str = "Real and simulated images"
    """What the two stacks are, where there are any."""

    def rows(self) -> list[dict[str, Any]]:
        """The log's lines."""
        log = self.folder.path / "log.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def add_headlines(self, report: Report, of_what: str) -> None:
        """The values in the log's last line, those that it has, and the time that `of_what` took."""
        if rows := self.rows():
            last = rows[-1]
            for label, (name, note) in self.scalars.headlines.items():
                if last.get(name) is not None:
                    report.headline(label, f"{last[name]:.3g}", "", note)
            report.headline("Time", f"{last['elapsed'] / 60:.1f}", "min", of_what)

    def add_sections(self, report: Report, pixel_size: float, panels: Mapping[str, Sequence[str]]) -> None:
        """What was found, images, progress in the method's panels after those given, and how to repeat it."""
        for heading, figure in self.found.items():
            report.section(heading)
            report.figure(figure)
        if self.real is not None and self.simulated is not None:
            report.section("Images")
            report.figure(comparison_figure(self.real, self.simulated, pixel_size, self.images))
        report.section("Progress")
        every = {**panels, **self.scalars.panels}
        report.figure(history_figure({"": self.rows()}, every, stages=self.stages, reading=self.scalars.reading))
        report.section("How to repeat it")
        record = self.folder.record()
        start = record["starts"][-1]
        report.figure(provenance_figure(start["command"], record["config"], start["versions"]))
