"""What a person looks at: one page that opens offline, and the figures on it."""

from frazil.report.arrays import Array
from frazil.report.figure import Figure, Reading
from frazil.report.fsc import fsc_figure
from frazil.report.history import history_figure
from frazil.report.images import comparison_figure
from frazil.report.isosurface import contour_level, isosurface_figure, isosurfaces_figure
from frazil.report.map_views import map_figure
from frazil.report.page import Report
from frazil.report.poses import poses_figure
from frazil.report.provenance import provenance_figure

__all__ = [
    "Array",
    "Figure",
    "Reading",
    "Report",
    "comparison_figure",
    "contour_level",
    "fsc_figure",
    "history_figure",
    "isosurface_figure",
    "isosurfaces_figure",
    "map_figure",
    "poses_figure",
    "provenance_figure",
]
