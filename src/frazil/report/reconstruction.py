"""The page of a reconstruction: how good the map is, what it looks like, how the run went."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from frazil.metrics import HalfMaps
from frazil.report.figure import Figure, Reading
from frazil.report.fsc import fsc_figure
from frazil.report.history import history_figure
from frazil.report.images import comparison_figure
from frazil.report.isosurface import isosurface_figure
from frazil.report.map_views import map_figure
from frazil.report.page import Report
from frazil.report.provenance import provenance_figure

_AT_THE_END = 1.01  # times the finest detail of the maps, where an FSC curve that never falls is said to


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
    """What a page needs to know of a run beside its maps."""

    title: str
    scalars: Scalars
    real: Float[Tensor, "real box box"]
    simulated: Float[Tensor, "simulated box box"]
    stages: Mapping[str, int]
    """The step at which each stage began."""
    record: Mapping[str, Any]
    """What `config.json` holds."""
    log: Path
    poses: Figure | None = None
    """Where the method finds some."""
    images: str = "Real and simulated images"
    """What the two stacks are."""


def reconstruction_report(maps: HalfMaps, story: RunStory) -> Report:
    """Report of two half maps and the run that made them."""
    rows = [json.loads(line) for line in story.log.read_text().splitlines()] if story.log.exists() else []
    report = Report(story.title, f"{maps.pixel_size:.3g} Å per voxel, {len(maps.mean)} voxels a side")
    _headlines(report, maps, story.scalars, rows)
    _warnings(report, maps)
    report.section("Map")
    report.figure(isosurface_figure(maps.mean, maps.pixel_size))
    report.figure(map_figure(maps.mean, maps.pixel_size))
    report.section("Resolution")
    report.figure(fsc_figure(maps.fsc.curves()))
    if story.poses:
        report.section("Poses")
        report.figure(story.poses)
    report.section("Images")
    report.figure(comparison_figure(story.real, story.simulated, maps.pixel_size, story.images))
    report.section("Progress")
    panels = {"Half-map resolution, Å": ["half_map_resolution"], **story.scalars.panels}
    report.figure(history_figure({"": rows}, panels, stages=story.stages, reading=story.scalars.reading))
    report.section("How to repeat it")
    start = story.record["starts"][-1]
    report.figure(provenance_figure(start["command"], story.record["config"], start["versions"]))
    return report


def _headlines(report: Report, maps: HalfMaps, scalars: Scalars, rows: list[dict]) -> None:
    report.headline("Half-map resolution", f"{maps.resolution:.1f}", "Å", "FSC 0.143, corrected for the mask")
    report.headline("Half maps agree to", f"{maps.fsc.corrected.resolution(0.5):.1f}", "Å", "FSC 0.5")
    if rows:
        for label, (name, note) in scalars.headlines.items():
            report.headline(label, f"{rows[-1][name]:.3g}", "", note)
        report.headline("Time", f"{rows[-1]['elapsed'] / 60:.1f}", "min", "both halves")


def _warnings(report: Report, maps: HalfMaps) -> None:
    half, length = maps.resolution, len(maps.mean) * maps.pixel_size
    if half > length / 4:
        report.warn(
            f"The half maps agree only to {half:.0f} Å, a quarter of the box or worse: the run found no common"
            " structure. Check the contrast's sign, the diameter and the CTF, or let it run longer."
        )
    if half < _AT_THE_END * maps.finest:
        report.warn(
            f"The half maps agree up to {half:.1f} Å, the finest that they hold, so {half:.1f} Å is no measure of the"
            " map: either the images hold more (give a larger --box), or both halves have the same mistake in common."
            " Trust detail only where it looks like protein."
        )
