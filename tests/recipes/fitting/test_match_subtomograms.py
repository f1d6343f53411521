"""What is said of a fit to real subtomograms."""

from dataclasses import replace
from pathlib import Path

import pytest

from frazil.physics.subtomograms import Strengths
from frazil.physics.tilt_scheme import TiltScheme
from frazil.recipes.fitting import match_subtomograms as fitting
from frazil.recipes.fitting.match_subtomograms import _warn_of_others, match_subtomograms
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, scene_of, structures_of


@pytest.mark.slow
def test_what_is_known_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FEW", "_MANY", "_CLEAN"):
        monkeypatch.setattr(fitting, name, 6)
    tilts = TiltScheme((-50.0, 60.0), tilt_step=10.0, tilt_weighting=0.3)
    truth = SimulateSubtomograms(("pseudo-protein",), tmp_path, 12, 24, 16.0, tilts=tilts, per_tomogram=4)
    scene = scene_of(truth, structures_of(truth))
    real = fitting._made(scene, Strengths(1.0, scene.noise_std(0.0)))
    real = (real - real.mean((1, 2, 3), keepdim=True)) / real.std((1, 2, 3), keepdim=True)
    told = TiltScheme((-40.0, 40.0), tilt_step=10.0, tilt_weighting=1.0)
    like = replace(truth, tilts=told)
    known = ("tilt_range", "tilt_weighting")
    assert match_subtomograms(real, like, 120.0, tmp_path / "noise.txt", known).simulation.tilts == told


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
