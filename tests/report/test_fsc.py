"""FSC curves: the resolutions the figure names are the ones the measure gives."""

import re

import pytest
import torch

from frazil.metrics import FSC
from frazil.report import fsc_figure
from frazil.report.fsc import resolution_axis


def straight_fsc(first: float, last: float, shells: int = 21) -> FSC:
    """A curve that falls from `first` at the box's length to `last` at Nyquist, 4 angstrom."""
    frequency = torch.linspace(0, 0.25, shells)
    return FSC(frequency, torch.cat([torch.ones(1), torch.linspace(first, last, shells - 1)]), 2.0)


def test_the_resolution_stands_in_the_drawing_and_in_the_table() -> None:
    curve = straight_fsc(1, 0)
    body = fsc_figure({"half maps": curve}).body
    for threshold in (0.143, 0.5):
        shown = f"{curve.resolution(threshold):.1f} Å"
        assert f"<td>{shown}</td>" in body
        assert f">{shown}</text>" in body


def test_several_curves_are_named_in_a_legend() -> None:
    body = fsc_figure({"half maps": straight_fsc(1, 0), "truth & map": straight_fsc(0.9, 0)}).body
    assert "truth &amp; map</li>" in body
    assert body.count("</li>") == 2


@pytest.mark.parametrize(
    ("curve", "sentence"),
    [(straight_fsc(1, 0.6), "4.0 Å or finer"), (straight_fsc(0.1, 0), "80.0 Å or coarser")],
    ids=["never falls", "starts below"],
)
def test_a_curve_that_crosses_nothing_is_said_to_lie_beyond_its_ends(curve: FSC, sentence: str) -> None:
    body = fsc_figure({"half maps": curve}).body
    assert body.count(sentence) == 2
    assert "Å</text>" not in body


def test_a_curve_with_nan_is_named_and_the_others_are_drawn() -> None:
    broken = FSC(torch.linspace(0, 0.25, 21), torch.full((21,), torch.nan), 2.0)
    body = fsc_figure({"good": straight_fsc(1, 0), "bad": broken}).body
    assert "The curve &#x27;bad&#x27; holds 21 values out of 21 that are NaN or infinite" in body
    assert "<svg" in body


def test_no_drawable_curve_gives_a_sentence_instead_of_a_drawing() -> None:
    assert "There is no curve to draw." in fsc_figure({}).body


@pytest.mark.parametrize("nyquist", [2.0, 5.3, 12.0, 30.0])
def test_the_axis_is_labelled_with_round_resolutions_in_order(nyquist: float) -> None:
    from matplotlib.figure import Figure

    axis = Figure(figsize=(9, 3)).subplots()
    resolution_axis(axis, 1 / nyquist)
    labels = [float(tick.get_text()) for tick in axis.get_xticklabels()]
    assert len(labels) >= 4
    assert labels == sorted(labels)
    assert labels[0] >= nyquist
    torch.testing.assert_close(torch.tensor(axis.get_xticks()), 1 / torch.tensor(labels, dtype=torch.float64))


def test_the_drawing_takes_its_colours_from_the_page() -> None:
    body = fsc_figure({"one": straight_fsc(1, 0), "two": straight_fsc(0.9, 0)}).body
    assert {"var(--series-0)", "var(--series-1)", "var(--ink)", "var(--muted)"} <= set(
        re.findall(r"var\(--[\w-]+\)", body)
    )
    assert "#a0000" not in body
    assert "#b0000" not in body
