"""Protein is made light, even where a molecule may be as large as its box."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from frazil.data.subtomograms import read_subtomograms
from frazil.recipes.running.light_protein import with_light_protein
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, simulate_subtomograms


def test_dark_protein_is_seen_whatever_the_radius(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = SimulateSubtomograms(
        ("pseudo-protein",), tmp_path, count=40, box=24, pixel_size=10.0, snr_db=-10.0, workers=1
    )
    simulate_subtomograms(options)
    light = read_subtomograms(tmp_path / "particles.star")
    capsys.readouterr()
    for radius in (60.0, math.inf):
        for sign, told in ((1.0, ""), (-1.0, "protein is dark, and is turned")):
            assert with_light_protein(replace(light, sign=sign), "auto", radius).sign == sign
            assert told in capsys.readouterr().out
    assert with_light_protein(light, "dark", 60.0).sign == -1.0
