"""Scalars over steps, from rows as a log holds them."""

import json
import re
from typing import Any

import numpy as np
import pytest

from frazil.report import history_figure
from frazil.report.history import LARGEST_COUNT

PANELS = {"critic distance": ["critic_distance"], "resolution, angstrom": ["resolution"]}


def rows(count: int, **scalars: Any) -> list[dict[str, Any]]:
    return [{"step": 10 * i, "elapsed": 2.5 * i, **{k: v(i) for k, v in scalars.items()}} for i in range(count)]


def curves(markup: str) -> list[list[dict]]:
    found = re.search(r'<script type="application/json">(.*?)</script>', markup)
    assert found
    return json.loads(found.group(1))["curves"]


def test_each_log_is_a_curve_and_each_label_a_panel() -> None:
    logs = {name: rows(5, critic_distance=lambda i: i, resolution=lambda i: 30 - i) for name in ("half 1", "half 2")}
    body = history_figure(logs, PANELS).body
    panels = curves(body)
    assert [[curve["name"] for curve in panel] for panel in panels] == [["half 1", "half 2"]] * 2
    assert panels[0][0]["colour"] == panels[1][0]["colour"] != panels[0][1]["colour"]
    assert panels[1][1]["y"] == [30, 29, 28, 27, 26]
    assert body.count("</li>") == 2


def test_several_scalars_share_a_panel_under_their_own_names() -> None:
    log = rows(3, real=lambda i: i, fake=lambda i: -i)
    names = [curve["name"] for curve in curves(history_figure({"": log}, {"score": ["real", "fake"]}).body)[0]]
    assert names == ["real", "fake"]
    names = [curve["name"] for curve in curves(history_figure({"half 1": log}, {"score": ["real", "fake"]}).body)[0]]
    assert names == ["half 1, real", "half 1, fake"]


def test_the_time_and_the_steps_are_said() -> None:
    assert "40 steps in 0 min 10 s." in history_figure({"": rows(5, resolution=lambda i: 9.0)}, PANELS).body
    late = [{"step": 7000, "elapsed": 7300.0, "resolution": 8.0}]
    assert "half 1: 7,000 steps in 2 h 1 min." in history_figure({"half 1": late}, PANELS).body


def test_stage_boundaries_are_named() -> None:
    body = history_figure({"": rows(9, resolution=lambda i: 9.0)}, PANELS, stages={"32 px": 0, "48 px": 50}).body
    assert body.count(">32 px</text>") == 2
    assert body.count(">48 px</text>") == 2


def test_a_scalar_that_is_missing_or_null_leaves_a_gap_and_no_alarm() -> None:
    log = rows(6, resolution=lambda i: None if i < 3 else 20.0 - i)
    body = history_figure({"": log}, PANELS).body
    assert [len(panel) for panel in curves(body)] == [1]
    assert curves(body)[0][0]["x"] == [30, 40, 50]
    assert "refusal" not in body


def test_nan_is_named_with_its_first_step() -> None:
    log = rows(6, resolution=lambda i: float("nan") if i > 3 else 20.0)
    assert "resolution is NaN or infinite in 2 rows, first at step 40." in history_figure({"": log}, PANELS).body


@pytest.mark.parametrize("log", [[], rows(3, other=lambda i: i), rows(3, resolution=lambda i: float("nan"))])
def test_a_log_without_values_gives_a_sentence(log: list[dict[str, Any]]) -> None:
    body = history_figure({"": log}, PANELS).body
    assert "The log holds no finite value of critic_distance, resolution yet." in body
    assert "<svg" not in body


def test_a_single_row_is_drawn() -> None:
    one, two = (history_figure({"": rows(count, resolution=lambda i: 9.0)}, PANELS).body for count in (1, 2))
    dot = 'd="M 0 2 \nC'
    assert dot in one
    assert dot not in two


def test_long_logs_are_averaged_over_neighbouring_rows() -> None:
    generator = np.random.default_rng(0)
    log = rows(10_003, critic_distance=lambda i: 5 + generator.standard_normal())
    curve = curves(history_figure({"": log}, PANELS).body)[0][0]
    assert len(curve["x"]) <= LARGEST_COUNT
    assert np.std(curve["y"]) < 0.3
    assert np.mean(curve["y"]) == pytest.approx(5, abs=0.1)


def test_seconds_are_rounded_before_they_are_minutes() -> None:
    rows = [{"step": 5, "elapsed": 179.7, "critic_distance": 1.0, "resolution": 8.0}]
    assert "5 steps in 3 min 0 s." in history_figure({"": rows}, PANELS).body
