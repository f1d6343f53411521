"""The page of a pose encoder: how far its guesses are off."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from frazil.report.chart import Curve, Panel, chart, colour_of
from frazil.report.figure import Figure, Reading
from frazil.report.page import Report
from frazil.report.run_story import RunStory, Scalars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POSE_SCALARS = Scalars(
    panels={"Loss": ["loss"], "Median error, degrees, of images held out": ["error_deg"]},
    headlines={},
    reading=Reading(
        look="Training steps run to the right; the error is of images that the network does not learn from.",
        good="Both fall and level off.",
        bad="An error that rises while the loss falls: there are too few images, or too many steps.",
    ),
)
_ERRORS = Reading(
    look="The share of the images, upwards, whose pose is wrong by less than the angle to the right.",
    good="The curve is steep at the left and near 1 by 30 degrees: a refinement takes it from there.",
    bad="It rises evenly up to the largest angle that the symmetry leaves: the poses are guessed at random.",
)


def pose_report(errors: Float[np.ndarray, " images"] | None, story: RunStory) -> Report:
    """Errors in degrees of the images held out, if there are any, and how the run went."""
    report = Report(story.title)
    if errors is None:
        report.warn("No image was held out: nothing says how good the guesses are. Give --held-out.")
    else:
        report.headline("Median error", f"{np.median(errors):.1f}", "°", f"of {len(errors)} images held out")
        report.headline("In radians", f"{np.deg2rad(np.median(errors)):.3f}", "", "of the same")
    story.add_headlines(report, "to learn")
    if errors is not None:
        report.section("Errors")
        report.figure(errors_figure(errors, "images held out"))
    story.add_sections(report, 1.0, {})
    return report


def errors_figure(errors: Float[np.ndarray, " images"], whose: str) -> Figure:
    """The share of some images whose pose is wrong by less than an angle in degrees."""
    curve = Curve(whose, np.sort(errors), np.arange(1, len(errors) + 1) / len(errors), colour_of(0))
    drawn = Panel([curve], _from_nothing_to_all, "share of the images")
    return Figure("Errors", chart([drawn], "error, degrees"), _ERRORS, ("chart.js",))


def _from_nothing_to_all(axis: "Axes") -> None:
    axis.set_ylim(0, 1.02)
