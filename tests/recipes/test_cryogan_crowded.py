"""`frazil cryogan` on particles whose table says that they stand close together."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frazil.data import open_particles
from frazil.io import read_particles, write_particles
from frazil.recipes import cryogan as recipe
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles

Run = Callable[..., tuple[int, str, str]]
AT_ONCE = "--max-minutes", "1e-9"


def crowd(folder: Path, spacing: float, jitter: float, column: str = "rlnMicrographPixelSize") -> None:
    """Say in the table that the particles stand in rows, so many angstrom apart."""
    table, chance = read_particles(folder / "particles.star"), np.random.default_rng(0)
    rows = np.arange(len(table))
    places = np.stack([rows % 10, rows // 10], -1) * spacing + jitter * chance.normal(size=(len(table), 2))
    columns = dict(zip(["rlnCoordinateX", "rlnCoordinateY"], places.T / 1.5, strict=True))
    table = table.with_columns(rlnMicrographName=np.repeat("m.mrc", len(table)), **columns)
    optics = table.optics.assign(**{column: 1.5})
    write_particles(folder / "particles.star", replace(table, optics=optics))


@pytest.mark.slow
def test_round_particles_that_touch_give_the_diameter_and_stand_in_the_simulated_images(
    copied: Path, cryogan: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    whole = recipe.CryoGAN
    monkeypatch.setattr(recipe, "CryoGAN", lambda *given: made.append(given) or whole(*given))
    crowd(copied, 110.0, 1.0)
    code, out, _ = cryogan(copied, *AT_ONCE)
    assert code == 0
    assert re.search("the particles touch: diameter 1(09|10) angstrom", out)
    config, conditions, support, _ = made[0]
    assert config.conditions == "learnt"
    assert support.radius == pytest.approx(55, rel=0.02)
    assert [len(half.neighbours) for half in conditions] == [half.particles for half in conditions]
    assert cryogan(copied, *AT_ONCE, "--neighbours", "none", "--diameter", "100", out=tmp_path / "other")[0] == 0
    config, conditions, support, _ = made[1]
    assert config.conditions == "given"
    assert support.radius == 50
    assert [half.neighbours for half in conditions] == [None, None]


@pytest.mark.slow
def test_the_pixel_size_that_coordinates_are_taken_to_count_in_is_said(copied: Path, cryogan: Run) -> None:
    crowd(copied, 110.0, 1.0, "rlnMicrographOriginalPixelSize")
    code, out, _ = cryogan(copied, *AT_ONCE)
    assert code == 0
    assert "coordinates are taken to count in rlnMicrographOriginalPixelSize, 1.5 angstrom" in out


def test_few_particles_get_fewer_steps_and_a_larger_box_a_stage_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulate_particles(SimulateParticles("pseudo-protein", out=tmp_path, box=80, pixel_size=2.4, count=20))
    particles = open_particles(tmp_path / "particles.star", "light")
    options = recipe.CryoGANRun(tmp_path / "particles.star", out=tmp_path / "run")
    usual = recipe._usual(options, particles, False)
    few = recipe._for_images(usual, options, particles)
    assert (few.boxes, few.steps) == ((32,), (200,))
    told = replace(options, box=80, learning=recipe.CryoGANConfig(steps=(9, 8, 7), penalty_weight=0.2))
    as_told = recipe._usual(told, particles, False)
    assert recipe._for_images(as_told, told, particles) == as_told
    assert (as_told.boxes, as_told.steps) == ((32, 48, 64, 80), (9, 8, 7, 7))
    unsaid = replace(told, learning=recipe.CryoGANConfig(steps=(9, 8, 7)))
    assert recipe._for_images(as_told, unsaid, particles).penalty_weight == 0.2 * 1000  # 10 images of 10,000
    refined = replace(options, box=80, refine=True)
    assert recipe._usual(refined, particles, False).boxes == (32,)  # finer stages would be for nothing
    assert recipe._usual(replace(told, refine=True), particles, False) == as_told
    capsys.readouterr()
    recipe._say_if_shorter(as_told, as_told, particles)
    assert capsys.readouterr().out == ""
    recipe._say_if_shorter(few, usual, particles)
    assert (
        capsys.readouterr().out
        == "20 particles: 200 at 32 px are steps enough, unless --boxes and --steps say otherwise\n"
    )
