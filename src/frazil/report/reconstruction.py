"""The page of a reconstruction: how good the map is, what it looks like, how the run went."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from frazil.report.fsc import fsc_figure
from frazil.report.half_maps import HalfMaps
from frazil.report.history import history_figure
from frazil.report.images import comparison_figure
from frazil.report.isosurface import isosurface_figure
from frazil.report.map_views import map_figure
from frazil.report.page import Report
from frazil.report.provenance import provenance_figure


@dataclass(frozen=True)
class RunStory:
    """What a page needs to know of a run beside its maps."""

    title: str
    real: Float[Tensor, "real box box"]
    simulated: Float[Tensor, "simulated box box"]
    stages: Mapping[str, int]
    """The step at which each stage began."""
    record: Mapping[str, Any]
    """What `config.json` holds."""
    log: Path


def reconstruction_report(maps: HalfMaps, story: RunStory) -> Report:
    """Report of two half maps and the run that made them."""
    rows = [json.loads(line) for line in story.log.read_text().splitlines()] if story.log.exists() else []
    report = Report(story.title, f"{maps.pixel_size:.3g} Å per voxel, {len(maps.mean)} voxels a side")
    _headlines(report, maps, rows)
    report.section("Map")
    report.figure(isosurface_figure(maps.mean, maps.pixel_size))
    report.figure(map_figure(maps.mean, maps.pixel_size))
    report.section("Resolution")
    report.figure(fsc_figure(maps.fsc.curves()))
    report.section("Images")
    report.figure(comparison_figure(story.real, story.simulated, maps.pixel_size))
    report.section("Progress")
    panels = {
        "Half-map resolution, Å": ["half_map_resolution"],
        "Critic distance": ["critic_distance"],
        "Penalty": ["penalty"],
        "Learnt scales": ["signal", "noise"],
    }
    report.figure(history_figure({"": rows}, panels, stages=story.stages))
    report.section("How to repeat it")
    start = story.record["starts"][-1]
    report.figure(provenance_figure(start["command"], story.record["config"], start["versions"]))
    return report


def _headlines(report: Report, maps: HalfMaps, rows: list[dict]) -> None:
    half = maps.fsc.corrected.resolution(0.143)
    report.headline("Half-map resolution", f"{half:.1f}", "Å", "FSC 0.143, corrected for the mask")
    report.headline("Half maps agree to", f"{maps.fsc.corrected.resolution(0.5):.1f}", "Å", "FSC 0.5")
    if rows:
        report.headline("Critic distance", f"{rows[-1]['critic_distance']:.3g}", "", "between real and simulated")
        report.headline("Time", f"{rows[-1]['elapsed'] / 60:.1f}", "min", "both halves")
    length = len(maps.mean) * maps.pixel_size
    if half > length / 4:
        report.warn(
            f"The half maps agree only to {half:.0f} Å, a quarter of the box or worse: the run found no common"
            " structure. Check the contrast's sign, the diameter and the CTF, or let it run longer."
        )
