"""Latents as points: what the page carries is what was given."""

import base64
import json
import re

import numpy as np
import pytest

from frazil.report import scatter
from frazil.report.scatter import Layout, scatter_figure


def carried(body: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*)</script>', body).group(1))  # type: ignore[union-attr]


def unpacked(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def layout(count: int) -> Layout:
    return Layout(np.random.default_rng(0).normal(size=(count, 2)), "first axis", "second axis")


def test_points_columns_and_marks_reach_the_page() -> None:
    own = layout(50)
    column = np.arange(50.0)
    figure = scatter_figure("Latents", {"principal axes": own}, {"cluster": column}, np.array([7, 3]))
    data = carried(figure.body)
    assert unpacked(data["drawn"], "<u4").tolist() == list(range(50))
    assert unpacked(data["layouts"]["principal axes"]["x"], "<f4") == pytest.approx(own.points[:, 0])
    assert unpacked(data["layouts"]["principal axes"]["y"], "<f4") == pytest.approx(own.points[:, 1])
    assert unpacked(data["columns"]["cluster"], "<f4") == pytest.approx(column)
    assert data["marked"] == [7, 3]
    assert data["classes"] == ["cluster"]
    assert "50 images" in figure.body


def test_of_many_images_an_even_part_is_drawn_and_all_can_be_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scatter, "MOST_POINTS", 11)
    figure = scatter_figure("Latents", {"flat": (own := layout(101))}, {"cluster": np.arange(101.0)}, np.array([55]))
    data = carried(figure.body)
    drawn = sorted([*range(0, 101, 10), 55])
    assert unpacked(data["drawn"], "<u4").tolist() == unpacked(data["columns"]["cluster"], "<f4").tolist() == drawn
    assert data["marked"] == [55]
    assert unpacked(data["layouts"]["flat"]["x"], "<f4") == pytest.approx(own.points[:, 0])
    assert "12 of 101 images drawn, all can be picked" in figure.body


def test_names_from_a_table_are_words_and_no_markup() -> None:
    figure = scatter_figure("Latents", {"<b>": layout(3)}, {"</script>": np.zeros(3)}, np.array([0]))
    assert "<option>&lt;b&gt;</option>" in figure.body
    assert figure.body.count("</script>") == 1


def test_latents_that_are_not_finite_are_refused_in_a_sentence() -> None:
    bad = Layout(np.full((3, 2), np.nan), "x", "y")
    assert "UMAP holds values that are not finite" in scatter_figure("Latents", {"UMAP": bad}, {}, np.array([0])).body
