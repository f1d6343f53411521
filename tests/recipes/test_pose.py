"""The pose encoder's commands, from a labelled stack to a table with angles."""

import json
from pathlib import Path
from typing import Any

import pytest

from frazil.io import read_particles, write_particles
from frazil.methods.pose import PoseConfig
from frazil.recipes.pose import PoseApply, PoseTrain, apply, train
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles

TINY = PoseConfig(steps=3, batch_size=8, order=0, width=8)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("posed") / "images"
    simulate_particles(SimulateParticles(model="pseudo-protein", out=out, box=32, pixel_size=6.0, count=60))
    return out / "particles.star"


@pytest.fixture(scope="module")
def learnt(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("encoder") / "run"
    assert train(options(images, out)) == 0
    return out


def options(images: Path, out: Path, **changes: Any) -> PoseTrain:
    usual: dict[str, Any] = {"symmetry": "C1", "contrast": "light", "diameter": 115.0, "box": 32, "device": "cpu"}
    return PoseTrain(particles=images, out=out, held_out=0.2, learning=TINY, **{**usual, **changes})


def test_a_run_says_how_far_its_guesses_are_off(learnt: Path) -> None:
    page = (learnt / "report.html").read_text()
    assert "of 12 images held out" in page
    assert "Median error" in page
    assert json.loads((learnt / "pose.json").read_text())["field"] == pytest.approx(192)


def test_particles_get_angles_and_keep_the_rest(images: Path, learnt: Path, tmp_path: Path) -> None:
    apply(PoseApply(run=learnt, particles=images, out=tmp_path / "guessed.star", contrast="light", device="cpu"))
    before, after = read_particles(images), read_particles(tmp_path / "guessed.star")
    assert len(after) == 60
    assert (before.numbers("rlnDefocusU") == after.numbers("rlnDefocusU")).all()
    assert (before.numbers("rlnAngleTilt") != after.numbers("rlnAngleTilt")).any()
    with pytest.raises(ValueError, match=r"guessed.star: is there already"):
        apply(PoseApply(run=learnt, particles=images, out=tmp_path / "guessed.star"))


def test_what_cannot_be_is_refused_in_a_sentence(images: Path, learnt: Path, tmp_path: Path) -> None:
    table = read_particles(images)
    bare = tmp_path / "bare.star"
    angles = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
    write_particles(bare, type(table)(images, table.data.drop(columns=angles), table.optics))
    for changes, sentence in (
        ({"particles": bare}, r"bare.star: holds no angles"),
        ({"symmetry": "X3"}, "unknown symmetry 'X3'"),
        ({"held_out": 1.0}, "--held-out must lie in 0 ... 1"),
        *(({"box": box}, f"multiple of 16 px, these have {box}") for box in (24, 1, 0, -16)),
    ):
        with pytest.raises(ValueError, match=sentence):
            train(PoseTrain(**{**vars(options(images, tmp_path / "run")), **changes}))
        assert not (tmp_path / "run").exists()
    wider = SimulateParticles(model="pseudo-protein", out=tmp_path / "w", box=32, pixel_size=7.0, count=4)
    simulate_particles(wider)
    with pytest.raises(ValueError, match="boxes are 224 angstrom wide, but those learnt from 192"):
        apply(PoseApply(learnt, tmp_path / "w" / "particles.star", tmp_path / "g.star", contrast="light"))
    with pytest.raises((ValueError, OSError), match=r"config\.json"):
        apply(PoseApply(tmp_path / "nothing", images, tmp_path / "g.star"))
