"""What is said of a fit to real subtomograms."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jaxtyping import Float
from torch import Tensor

from frazil.physics.subtomograms import Strengths
from frazil.physics.tilt_scheme import TILT_SERIES_LENS, TiltScheme
from frazil.recipes.fitting import match_subtomograms as fitting
from frazil.recipes.fitting.match_subtomograms import _warn_of_others, match_subtomograms
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, scene_of, structures_of

MODELS = ("pseudo-protein",)


def taken(out: Path, **changes: Any) -> tuple[SimulateSubtomograms, Float[Tensor, "count box box box"]]:
    """Subtomograms, and how they were simulated."""
    tilts = TiltScheme((-50.0, 60.0), tilt_step=10.0, tilt_weighting=0.3)
    truth = SimulateSubtomograms(MODELS, out, 12, 24, 16.0, tilts=tilts, per_tomogram=4)
    truth = replace(truth, **changes)
    scene = scene_of(truth, structures_of(truth))
    real = fitting._made(scene, Strengths(1.0, scene.noise_std(truth.snr_db)))
    return truth, (real - real.mean((1, 2, 3), keepdim=True)) / real.std((1, 2, 3), keepdim=True)


@pytest.mark.slow
def test_what_is_known_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FEW", "_MANY", "_CLEAN"):
        monkeypatch.setattr(fitting, name, 6)
    truth, real = taken(tmp_path)
    told = TiltScheme((-40.0, 40.0), tilt_step=10.0, tilt_weighting=1.0)
    like, known = replace(truth, tilts=told), ("tilt_range", "tilt_weighting", "defocus")
    found = match_subtomograms(real, like, 120.0, tmp_path / "noise.txt", known).simulation
    assert (found.tilts, found.lens) == (told, truth.lens)


@pytest.mark.slow
@pytest.mark.parametrize(("snr_db", "found"), [(0.0, (15_000.0, 25_000.0)), (-40.0, (25_000.0, 50_000.0))])
def test_how_far_out_of_focus_volumes_are_is_measured_where_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snr_db: float, found: tuple
) -> None:
    monkeypatch.setattr(fitting, "_MANY", 48)
    monkeypatch.setattr(fitting, "_CLEAN", 24)
    truth, real = taken(
        tmp_path, count=96, per_tomogram=2, snr_db=snr_db, lens=replace(TILT_SERIES_LENS, defocus=(15_000.0, 25_000.0))
    )
    like = replace(truth, lens=replace(TILT_SERIES_LENS, defocus=(25_000.0, 50_000.0)))
    match = match_subtomograms(real, like, 120.0, tmp_path / "noise.txt", ("tilt_range", "tilt_weighting"))
    assert sum(match.simulation.lens.defocus) == pytest.approx(sum(found), rel=0.2)


@pytest.mark.parametrize(
    ("found", "said"),
    [((-64.0, 63.0), ""), ((-64.0, 48.0), "shows tilts from about -64 to 48"), ((-76.0, 62.0), "-76")],
)
def test_tilts_that_the_missing_wedge_does_not_show_are_warned_of(
    found: tuple[float, float], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _warn_of_others(found, (-60.0, 60.0))
    told = capsys.readouterr().out
    assert said in told
    assert bool(told) == bool(said)
