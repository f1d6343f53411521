"""Simulated subtomograms: what they show is what their tables say, and bytes follow from the seed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from frazil.geometry import (
    euler_to_rotation,
    fourier_crop,
    fourier_transform,
    inverse_fourier_transform,
    rotate_volume,
    shift_phase,
)
from frazil.io import read_map, read_tables, write_tables
from frazil.physics.missing_wedge import missing_wedge
from frazil.physics.tilt_scheme import TiltScheme
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, simulate_subtomograms

BOX = 32


def options(out: Path, **changes: Any) -> SimulateSubtomograms:
    """A few subtomograms of two structures, in two tomograms."""
    base = SimulateSubtomograms(
        models=("pseudo-protein", "membrane"),
        out=out,
        count=6,
        box=BOX,
        pixel_size=12.0,
        per_tomogram=4,
        seed=3,
        workers=1,
    )
    return replace(base, **changes)


def rows(out: Path) -> pd.DataFrame:
    return read_tables(out / "particles.star")["particles"]


def volumes(out: Path, folder: str = "subtomograms") -> Tensor:
    return torch.stack([read_map(path).volume for path in sorted((out / folder).glob("*.mrc"))])


def every_file(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def correlation(first: Tensor, second: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1])


def test_each_subtomogram_shows_its_structure_where_and_as_it_lies(tmp_path: Path) -> None:
    all_round = TiltScheme((-90.0, 90.0), dose_per_tilt=0.0)
    simulate_subtomograms(options(tmp_path, snr_db=float("inf"), ctf="none", tilts=all_round, resolution=40.0))
    table = rows(tmp_path)
    assert table["rlnClassNumber"].tolist() == [1, 2] * 3
    truths = volumes(tmp_path, "truth")
    angles = torch.from_numpy(table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy())
    origin = torch.from_numpy(table[["rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst"]].to_numpy())
    assert float(origin.abs().max()) > 5
    for number, made in enumerate(volumes(tmp_path)):
        truth = truths[table["rlnClassNumber"][number] - 1]
        turned = fourier_transform(rotate_volume(truth, euler_to_rotation(angles[number]).float()), 3)
        moved = turned * shift_phase(-origin[number].float() / 12.0, BOX, 3)
        wanted = inverse_fourier_transform(moved, BOX, 3)
        assert correlation(fourier_crop(made, 16, 3), fourier_crop(wanted, 16, 3)) > 0.95


def test_the_ratio_of_signal_and_noise_is_the_one_asked_for(tmp_path: Path) -> None:
    for mode in ("physics", "pei", "density"):
        pair = []
        for snr_db in (-10.0, float("inf")):
            out = tmp_path / f"{mode} {snr_db}"
            simulate_subtomograms(options(out, snr_db=snr_db, mode=mode))
            pair.append(volumes(out))
        noisy, clean = pair
        ratio = clean.var((1, 2, 3)).mean() / (noisy - clean).var((1, 2, 3)).mean()
        assert 10 * float(ratio.log10()) == pytest.approx(-10.0, abs=0.5)


@pytest.mark.parametrize("mode", ["physics", "pei"])
def test_the_missing_wedge_holds_next_to_nothing_in_noise_too(tmp_path: Path, mode: str) -> None:
    simulate_subtomograms(options(tmp_path, mode=mode))
    energy = fourier_transform(volumes(tmp_path), 3).abs().square().sum(0)
    wedge = missing_wedge(TiltScheme().series(None).rotation, BOX)
    assert float(energy[wedge].sum() / energy[~wedge].sum()) < 0.01


def test_halves_share_the_signal_and_their_mean_is_the_subtomogram(tmp_path: Path) -> None:
    simulate_subtomograms(options(tmp_path, halves=True))
    first, second = (volumes(tmp_path, folder) for folder in ("half1", "half2"))
    assert torch.allclose((first + second) / 2, volumes(tmp_path), atol=1e-4 * float(first.std()))
    clean = tmp_path / "clean"
    simulate_subtomograms(options(clean, snr_db=float("inf")))
    assert abs(correlation(first - volumes(clean), second - volumes(clean))) < 0.03


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers_and_after_a_stop(tmp_path: Path) -> None:
    for workers in (1, 2):
        simulate_subtomograms(options(tmp_path / str(workers), workers=workers))
    whole = every_file(tmp_path / "1")
    assert every_file(tmp_path / "2") == whole
    for name in ("particles.star", "subtomograms/000002.mrc"):
        (tmp_path / "2" / name).unlink()
    simulate_subtomograms(options(tmp_path / "2"))
    assert every_file(tmp_path / "2") == whole


def test_tables_are_relion_s(tmp_path: Path) -> None:
    simulate_subtomograms(options(tmp_path))
    optics = read_tables(tmp_path / "particles.star")["optics"]
    assert optics["rlnImageDimensionality"].tolist() == [3]
    tomograms = read_tables(tmp_path / "tomograms.star")["global"]
    assert len(tomograms) == 2
    for name, star in zip(tomograms["rlnTomoName"], tomograms["rlnTomoTiltSeriesStarFile"], strict=True):
        images = read_tables(tmp_path / star)[name]
        angles = np.loadtxt((tmp_path / star).with_suffix(".tlt"))
        assert images["rlnTomoYTilt"].tolist() == angles.tolist() == list(range(-60, 61, 3))
        assert images["rlnMicrographPreExposure"].min() == 0
        assert {"rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"} <= set(images)
    assert rows(tmp_path)["rlnTomoName"].tolist() == ["tomogram_0001"] * 4 + ["tomogram_0002"] * 2


def test_each_microscope_has_an_optics_group(tmp_path: Path) -> None:
    lenses = pd.DataFrame({"rlnMicrographName": ["a", "b"], "rlnDefocusU": 3e4, "rlnVoltage": [300.0, 200.0]})
    lenses = lenses.assign(rlnDefocusV=3e4, rlnDefocusAngle=0.0, rlnSphericalAberration=2.7, rlnAmplitudeContrast=0.1)
    write_tables(tmp_path / "ctf.star", {"micrographs": lenses})
    simulate_subtomograms(options(tmp_path / "out", per_tomogram=1, ctf=str(tmp_path / "ctf.star")))
    tables, tomograms = (read_tables(tmp_path / "out" / f"{name}.star") for name in ("particles", "tomograms"))
    optics = tables["optics"].set_index("rlnOpticsGroup")
    assert sorted(optics["rlnVoltage"]) == [200, 300]
    of_tomogram = tomograms["global"].set_index("rlnTomoName")
    for _, row in tables["particles"].iterrows():
        own, group = of_tomogram.loc[row["rlnTomoName"]], optics.loc[row["rlnOpticsGroup"]]
        assert own["rlnVoltage"] == group["rlnVoltage"]
        assert own["rlnOpticsGroupName"] == group["rlnOpticsGroupName"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": ()}, "give one MODEL or more"),
        ({"count": 0}, "--count must be positive, it is 0"),
        ({"shift_percent": 50.0}, r"--shift-percent must lie in 0 \.\.\. 50, it is 50"),
        ({"snr_db": float("nan")}, "--snr-db must be a number or inf, it is nan"),
        ({"mode": "pei", "correction": "wiener"}, "--mode pei has its own noise and lens"),
        ({"tilts": TiltScheme(ice_thickness=50.0)}, "--ice-thickness 50: too thin for molecules of 342 angstrom"),
        ({"box": 8}, "pseudo-protein reaches .* but a box of 8 px"),
    ],
)
def test_what_will_not_do_is_refused_in_a_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        simulate_subtomograms(options(tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tilt_range": (60.0, -60.0)}, r"--tilt-range must rise within -90 \.\.\. 90 degrees, it is 60 \.\.\. -60"),
        ({"tilt_step": 0.0}, "--tilt-step must be positive and no more than the range, it is 0"),
        ({"pretilts": (5.0, 40.0)}, "--pretilts 40: tilts from -60 to 60 degrees would go beyond 90"),
        ({"dose_per_tilt": -1.0}, "--dose-per-tilt must not be negative, it is -1"),
    ],
)
def test_a_tilt_scheme_that_makes_no_sense_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TiltScheme(**changes)
