"""Picking as the commands do it: trained on simulated micrographs, applied to others, judged by their labels."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frazil.io import read_tables, write_tables
from frazil.io.coordinates import read_coordinates
from frazil.methods.pick import PickConfig
from frazil.recipes.evaluate_picks import EvaluatePicks, evaluate_picks
from frazil.recipes.pick import PickApply, PickTrain, apply, train
from frazil.recipes.simulate_micrographs import ExposureOptions, SimulateMicrographs, simulate_micrographs

TINY = PickConfig(steps=60, batch_size=4, crop=64, particle_px=12.0, width=8, depth=2)


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four micrographs of the pseudo-protein, 13 particles on each."""
    out = tmp_path_factory.mktemp("fields") / "sim"
    options = SimulateMicrographs(
        models=("pseudo-protein",), out=out, count=4, size=(200, 160), pixel_size=6.0, particles=13.0, seed=3, workers=1
    )
    simulate_micrographs(replace(options, exposure=ExposureOptions(snr_db=0.0)))
    return out


def options(fields: Path, out: Path, **changes: Any) -> PickTrain:
    base = PickTrain(
        micrographs=fields / "micrographs",
        coordinates=fields / "particles.star",
        out=out,
        diameter=120.0,
        held_out=0.25,
        device="cpu",
        learning=TINY,
    )
    return replace(base, **changes)


@pytest.mark.slow
def test_a_picker_finds_the_particles_of_micrographs_that_it_has_not_seen(fields: Path, tmp_path: Path) -> None:
    assert train(options(fields, tmp_path / "run")) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "AUPRC" in page
    assert "How to repeat it" in page
    apply(PickApply(run=tmp_path / "run", micrographs=fields / "micrographs", out=tmp_path / "picks", device="cpu"))
    evaluate_picks(EvaluatePicks(tmp_path / "picks" / "picks.star", fields / "particles.star", 5.0, out=tmp_path / "e"))
    figures = json.loads((tmp_path / "e" / "figures.json").read_text())
    assert figures["auprc"] > 0.9
    assert figures["offset_pixels"] < 2
    assert (tmp_path / "e" / "report.html").is_file()
    # The same picks in every format.
    star = read_coordinates(tmp_path / "picks" / "picks.star")
    for name in ("picks.txt", "boxes", "cboxes"):
        other = read_coordinates(tmp_path / "picks" / name)
        assert set(other) == set(star)
        for stem, own in star.items():
            assert np.abs(other[stem].places - own.places).max() <= 0.51
    scores = np.concatenate([own.scores for own in star.values() if own.scores is not None])
    assert scores.min() + 1e-6 >= json.loads((tmp_path / "run" / "picker.json").read_text())["threshold"]


def test_picks_are_not_written_over_others(fields: Path, tmp_path: Path) -> None:
    (tmp_path / "picks.star").write_text("mine")
    with pytest.raises(ValueError, match=r"picks.star: is there already"):
        apply(PickApply(run=tmp_path / "run", micrographs=fields / "micrographs", out=tmp_path, device="cpu"))


def test_without_micrographs_held_out_the_page_warns(fields: Path, tmp_path: Path) -> None:
    train(options(fields, tmp_path / "run", held_out=0.0, learning=replace(TINY, steps=2)))
    assert "No micrograph was held out" in (tmp_path / "run" / "report.html").read_text()
    assert json.loads((tmp_path / "run" / "picker.json").read_text()) == {"threshold": 0.5}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"diameter": 0.0}, "--diameter must be positive, it is 0"),
        ({"held_out": 1.0}, "--held-out must lie in 0 ... 1, it is 1"),
        ({"coordinates": Path("nowhere.txt")}, "nowhere.txt does not exist"),
        ({"learning": replace(TINY, crop=200)}, "too small for crops of 200; give a smaller --crop"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    fields: Path, tmp_path: Path, changes: Any, sentence: str
) -> None:
    with pytest.raises((ValueError, OSError), match=sentence):
        train(options(fields, tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_coordinates_of_another_pixel_size_or_of_other_micrographs_are_refused(fields: Path, tmp_path: Path) -> None:
    table = tmp_path / "other.txt"
    table.write_text("image_name\tx_coord\ty_coord\n000001\t10\t20\n000001\t400\t20\n")
    with pytest.raises(ValueError, match=r"particle 2 of 000001.mrc lies at 400, 20, but the micrograph has 200 x 160"):
        train(options(fields, tmp_path / "run", coordinates=table))
    table.write_text("image_name\tx_coord\ty_coord\nelsewhere\t10\t20\n")
    with pytest.raises(ValueError, match=r"has no particles on any of .* \(000001.mrc, say\)"):
        train(options(fields, tmp_path / "run", coordinates=table))
    with pytest.raises(ValueError, match="have no micrograph in common"):
        evaluate_picks(EvaluatePicks(table, fields / "particles.star", 5.0))
    told = read_tables(fields / "particles.star")
    coarser = told["optics"]["rlnMicrographPixelSize"] * 2
    write_tables(
        binned := tmp_path / "binned.star", told | {"optics": told["optics"].assign(rlnMicrographPixelSize=coarser)}
    )
    with pytest.raises(
        ValueError, match=r"coordinates on 000001.mrc count pixels of 12 angstrom .*, but it has pixels of 6"
    ):
        train(options(fields, tmp_path / "run", coordinates=binned))
    with pytest.raises(ValueError, match=r"coordinates on 000001 count pixels of 12 angstrom"):
        evaluate_picks(EvaluatePicks(binned, fields / "particles.star", 5.0))
    with pytest.raises(ValueError, match="holds no run of `frazil pick train`"):
        apply(PickApply(run=fields, micrographs=fields / "micrographs", out=tmp_path / "picks", device="cpu"))


def test_settings_of_the_network_that_make_no_sense_are_refused() -> None:
    for changes, sentence in {
        ("width", 12): "width must be a multiple of 8",
        ("crop", 20): "crop must hold two particles",
        ("steps", 0): "steps must be 1 or more",
        ("nearest", 0.0): "nearest must lie in 0 ... 2",
    }.items():
        with pytest.raises(ValueError, match=sentence):
            replace(TINY, **dict([changes]))
