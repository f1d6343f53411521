"""Subtomograms held against real ones: what teaches is told from what does not, and empty figures are named."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from frazil.io import read_map, write_map
from frazil.methods.classify import ClassifyConfig
from frazil.recipes.evaluate_subtomograms import EvaluateSubtomograms, evaluate_subtomograms
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, simulate_subtomograms

MODELS = ("pseudo-protein", "membrane")
QUICK = ClassifyConfig(steps=120, batch_size=16, width=8, rate=5e-3, shift=1)


def simulated(out: Path, **changes: Any) -> Path:
    """A ball-like molecule and a membrane, which anything can tell apart."""
    base = SimulateSubtomograms(models=MODELS, out=out, box=16, pixel_size=24.0, count=48, snr_db=0.0, workers=2)
    simulate_subtomograms(replace(base, **changes))
    return out / "particles.star"


def figures(out: Path) -> dict[str, Any]:
    return json.loads((out / "figures.json").read_text())["subtomograms"]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real ones, others like them, and others whose classes are mixed up."""
    folder = tmp_path_factory.mktemp("judged")
    real = simulated(folder / "real", count=96)
    good = simulated(folder / "good", seed=1)
    bad = simulated(folder / "bad", seed=2, models=("membrane", "pseudo-protein"))
    evaluate_subtomograms(EvaluateSubtomograms(real, (good, bad), folder / "out", models=MODELS, learning=QUICK))
    return folder / "out"


@pytest.mark.slow
def test_labels_that_are_right_teach_and_labels_that_are_wrong_do_not(judged: Path) -> None:
    found = figures(judged)
    assert set(found) == {"a second real draw", "good", "bad", "zeros"}
    for name in ("a second real draw", "good"):
        assert found[name]["TSTR"] > 0.8
        assert found[name]["TRTS"] > 0.8
        assert found[name]["class kept"] > 0.95
    assert found["bad"]["class kept"] < 0.05
    assert found["zeros"]["class kept"] is None
    assert found["bad"]["TSTR"] < 0.5
    assert found["bad"]["TRTS"] < 0.5


@pytest.mark.slow
def test_likeness_is_near_a_second_real_draw_s_and_the_controls_expose_what_is_not(judged: Path) -> None:
    found = figures(judged)
    second, good, zeros = (found[name] for name in ("a second real draw", "good", "zeros"))
    assert good["FID"] < 0.2 * zeros["FID"]
    assert abs(good["spectrum, across the beam"] - second["spectrum, across the beam"]) < 0.2
    assert zeros["precision (voxels)"] == 1.0
    assert zeros["recall (voxels)"] == 0.0
    page = (judged / "report.html").read_text()
    assert "precision (voxels) says nothing here: empty volumes have 1, a second real draw" in page
    assert "FID says nothing" not in page


@pytest.mark.slow
def test_the_same_command_goes_on_from_the_classifiers_that_are_there(judged: Path, capsys: Any) -> None:
    before, folder = figures(judged), judged.parent
    real, others = (
        folder / "real" / "particles.star",
        (folder / "good" / "particles.star", folder / "bad" / "particles.star"),
    )
    evaluate_subtomograms(EvaluateSubtomograms(real, others, judged, models=MODELS, learning=QUICK))
    assert figures(judged) == before


@pytest.mark.slow
def test_a_set_in_a_folder_called_real_is_not_taken_for_the_truth_and_other_data_not_for_what_was_learnt(
    judged: Path, tmp_path: Path
) -> None:
    real = judged.parent / "real" / "particles.star"
    bad = simulated(tmp_path / "real", seed=2, models=("membrane", "pseudo-protein"))
    evaluate_subtomograms(EvaluateSubtomograms(real, (bad,), tmp_path / "out", learning=QUICK))
    assert figures(tmp_path / "out")["real"]["TRTS"] < 0.5
    other = simulated(tmp_path / "again" / "real", seed=3)
    with pytest.raises(ValueError, match="holds a run of another configuration"):
        evaluate_subtomograms(EvaluateSubtomograms(real, (other,), tmp_path / "out", learning=QUICK))


@pytest.mark.slow
def test_dark_protein_is_turned_before_it_is_compared(tmp_path: Path, capsys: Any) -> None:
    alike = {"models": ("pseudo-protein", "pseudo-protein"), "count": 72, "snr_db": 6.0}
    light, others = simulated(tmp_path / "light", **alike), simulated(tmp_path / "others", seed=1, **alike)
    dark = shutil.copytree(light.parent, tmp_path / "dark") / light.name
    for path in (tmp_path / "dark" / "subtomograms").iterdir():
        density = read_map(path)
        write_map(path, -density.volume, density.pixel_size)
    found = []
    for real in (light, dark):
        out = tmp_path / f"of {real.parent.name}"
        quick = replace(QUICK, steps=5)
        evaluate_subtomograms(EvaluateSubtomograms(real, (others,), out, models=MODELS[:1] * 2, learning=quick))
        found.append(figures(out))
    assert "dark/particles.star: protein is dark, and is turned" in capsys.readouterr().out
    assert found[0] == found[1]


def test_what_cannot_be_compared_is_refused_in_a_sentence(tmp_path: Path) -> None:
    real = simulated(tmp_path / "real", count=12)
    three = simulated(tmp_path / "three", count=12, models=("pseudo-protein", "membrane", "pseudo-protein"))
    large = simulated(tmp_path / "large", count=12, box=20)
    for others, sentence in {
        (): "give one table or more of OTHERS",
        (three,): r"class 3 is none of the real ones' \(\[1, 2\]\)",
        (large,): "20 voxels of 24 angstrom, the real ones have 16 of 24",
        (tmp_path / "large" / "subtomograms",): "says no classes, it has no column rlnClassNumber",
    }.items():
        with pytest.raises(ValueError, match=sentence):
            evaluate_subtomograms(EvaluateSubtomograms(real, others, tmp_path / "out", learning=QUICK))
    few = simulated(tmp_path / "few", count=4)
    others = simulated(tmp_path / "others", count=12)
    enough = EvaluateSubtomograms(real, (others,), tmp_path / "out", neighbours=3, learning=QUICK)
    for changed, sentence in {
        replace(enough, neighbours=0): "--neighbours must be 1 or more, it is 0",
        replace(
            enough, others=(few,), neighbours=4
        ): "few/particles.star: 4 subtomograms are too few for --neighbours 4",
        replace(
            enough, neighbours=4
        ): "real/particles.star: 12 subtomograms make thirds of 4, too few for --neighbours",
        replace(enough, others=(real,)): "12 of its 12 volumes are .*real/particles.star's own",
        replace(enough, models=("pseudo-protein",)): "has class 2; --models gives the densities of 1 to 1",
    }.items():
        with pytest.raises(ValueError, match=sentence):
            evaluate_subtomograms(changed)
    assert not (tmp_path / "out").exists()
