"""The page of a reconstruction: how good the map is, what it looks like, how the run went."""

from frazil.metrics import HalfMaps, is_hollow_shell, is_inverted
from frazil.report.fsc import fsc_figure
from frazil.report.isosurface import isosurface_figure
from frazil.report.map_views import map_figure
from frazil.report.page import Report
from frazil.report.run_story import RunStory

_CHANCE = 0.5  # of the correlation of halves, which noise that was aligned reaches
_AT_THE_END = 1.01  # times the finest detail of the maps, where an FSC curve that never falls is said to


def reconstruction_report(maps: HalfMaps, story: RunStory) -> Report:
    """Report of two half maps and the run that made them."""
    report = Report(story.title, f"{maps.pixel_size:.3g} Å per voxel, {len(maps.mean)} voxels a side")
    report.headline("Half-map resolution", f"{maps.resolution:.1f}", "Å", "FSC 0.143, corrected for the mask")
    report.headline("Half maps agree to", f"{maps.fsc.corrected.resolution(0.5):.1f}", "Å", "FSC 0.5")
    story.add_headlines(report, "both halves")
    _warnings(report, maps)
    report.section("Map")
    report.figure(isosurface_figure(maps.mean, maps.pixel_size))
    report.figure(map_figure(maps.mean, maps.pixel_size))
    report.section("Resolution")
    report.figure(fsc_figure(maps.fsc.curves()))
    story.add_sections(report, maps.pixel_size, {"Half-map resolution, Å": ["half_map_resolution"]})
    return report


def _warnings(report: Report, maps: HalfMaps) -> None:
    half, length = maps.resolution, len(maps.mean) * maps.pixel_size
    if half > length / 4:
        report.warn(
            f"The half maps agree only to {half:.0f} Å, a quarter of the box or worse: the run found no common"
            " structure. Check the contrast's sign, the diameter and the CTF, or let it run longer."
        )
    elif maps.by_chance is not None and maps.by_chance > _CHANCE:
        report.warn(
            "The half maps agree hardly better than one of them does with noise that is turned as well as can be, so"
            f" {half:.0f} Å is no measure of the map: the run found no common structure. Check the contrast's sign, the"
            " diameter and the CTF, or let it run longer."
        )
    if is_inverted(maps.first):
        report.warn(
            "The map is darker than what surrounds it: the images' contrast has the other sign than was taken. Give"
            " --contrast light where --contrast dark was taken, or the other way round."
        )
    if is_hollow_shell(maps.first):
        report.warn(
            "The map is a hollow shell, nearly even in all directions. Unless the particle is one (ferritin, an empty"
            " capsid), the run has collapsed: check the CTF and the diameter, or give another --seed."
        )
    if half < _AT_THE_END * maps.finest:
        report.warn(
            f"The half maps agree up to {half:.1f} Å, the finest that they hold, so {half:.1f} Å is no measure of the"
            " map: either the images hold more (give a larger --box, if theirs is larger), or both halves have the same"
            " mistake in common. Trust detail only where it looks like protein."
        )
