"""The page of a picker: how many of the known particles it finds, and what it takes for particles."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from torch import Tensor

from frazil.metrics.picking import PrecisionRecall
from frazil.report.chart import Curve, Panel, chart, colour_of
from frazil.report.figure import Figure, Reading, table_markup
from frazil.report.page import Report
from frazil.report.pictures import circled, panel, picture
from frazil.report.run_story import RunStory, Scalars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CURVE = Reading(
    look="Picks in falling order of their score, from left to right: how many of the known particles they hold"
    " (recall), and how many of them are right (precision).",
    good="The curve stays near 1 until it falls at the right: the area under it, the AUPRC, is near 1.",
    bad="It begins low: the best scores go to something that is no particle, contamination or an edge. It ends early:"
    " particles of some kind, or on some micrographs, are not seen.",
)
_PICTURE = Reading(
    look="A micrograph as the network sees it, scaled and flattened; circles are picks.",
    good="Each particle has one circle around its middle.",
    bad="Circles on dirt or on the carbon's edge; particles without any; two on one particle.",
)


PICK_SCALARS = Scalars(
    panels={"Loss": ["loss"], "On micrographs held out": ["held_out_auprc", "held_out_f1"]},
    headlines={},
    reading=Reading(
        look="Training steps run to the right; AUPRC and F1 are of micrographs that the network does not learn from.",
        good="The loss falls, AUPRC and F1 rise, and all level off.",
        bad="AUPRC that falls while the loss still does: there are too few micrographs, or too many steps.",
    ),
)


def pick_report(judged: PrecisionRecall | None, picks: Figure, story: RunStory) -> Report:
    """The page of a picker, judged by micrographs that were held out if there were any."""
    report = Report(story.title)
    if judged is None:
        report.warn(
            "No micrograph was held out: nothing says how good this picker is. Give --held-out, or more of them."
        )
    else:
        report.headline("AUPRC", f"{judged.area:.3f}", "", "of micrographs held out")
        report.headline("Best F1", f"{judged.f1:.3f}", "", "of the same")
    story.add_headlines(report, "to learn")
    if judged is not None:
        report.section("Picks against known particles")
        report.figure(precision_recall_figure({"micrographs held out": judged}))
    report.section("Picks")
    report.figure(picks)
    story.add_sections(report, 1.0, {})
    return report


def precision_recall_figure(curves: dict[str, PrecisionRecall]) -> Figure:
    """Precision over recall by name, with the area under each and its best F1."""
    lines = [
        Curve(name, curve.recall, curve.precision, colour_of(number))
        for number, (name, curve) in enumerate(curves.items())
        if len(curve.score)
    ]

    def dress(axis: "Axes") -> None:
        axis.set_xlim(0, 1.02)
        axis.set_ylim(0, 1.02)

    rows = [
        {"picks of": name, "AUPRC": round(curve.area, 3), "best F1": round(curve.f1, 3), **_at_best(curve)}
        for name, curve in curves.items()
    ]
    drawn = chart([Panel(lines, dress, "precision")], "recall") if lines else "<p>There are no picks.</p>"
    return Figure("Precision and recall", drawn + table_markup(rows), _CURVE, ("chart.js",))


def _at_best(curve: PrecisionRecall) -> dict[str, float]:
    if not len(curve.score):
        return {}
    best = curve.best
    return {
        "at score": round(float(curve.score[best]), 3),
        "precision": round(float(curve.precision[best]), 3),
        "recall": round(float(curve.recall[best]), 3),
    }


def picks_figure(
    image: Float[Tensor, "y x"], places: Float[Tensor, "count xy"], diameter_px: float, pixel_size: float, name: str
) -> Figure:
    """A micrograph with a circle around each pick."""
    values = image.numpy()
    height, width = values.shape
    black, white = np.percentile(values, [1, 99])
    shown = picture(values, float(black), float(white), f"{name} with {len(places)} picks")
    caption = f"{name}: {len(places)} picks"
    return Figure(
        "Picks",
        panel(circled(shown, (width, height), places.tolist(), diameter_px), caption, width * pixel_size),
        _PICTURE,
    )
