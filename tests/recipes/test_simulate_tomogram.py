"""Simulated tomograms: labels say what voxels show, in every format, and bytes follow from the seed."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from frazil.data import pseudo_protein
from frazil.geometry import euler_to_rotation, fourier_crop
from frazil.io import read_map, read_tables, write_map
from frazil.physics import CTFRanges
from frazil.physics.tilt_scheme import TiltScheme
from frazil.recipes.simulate_tomogram import SimulateTomogram, simulate_tomogram

SIZE, PIXEL_SIZE = (72, 64, 48), 12.0


def options(out: Path, **changes: Any) -> SimulateTomogram:
    """A few molecules and a small vesicle."""
    base = SimulateTomogram(
        models=("pseudo-protein", "membrane"),
        out=out,
        size=SIZE,
        pixel_size=PIXEL_SIZE,
        molecules=6,
        vesicles=1,
        vesicle_radius=(90.0, 90.0),
        tilts=TiltScheme((-60.0, 60.0), tilt_step=10.0, ice_thickness=560.0),
        seed=4,
    )
    return replace(base, **changes)


def volume(out: Path, folder: str) -> torch.Tensor:
    return read_map(out / folder / "tomogram_0001.mrc").volume


def test_masks_tables_and_picks_say_the_same_and_what_the_tomogram_shows(tmp_path: Path) -> None:
    simulate_tomogram(options(tmp_path, snr_db=20.0, ctf="none"))
    table = read_tables(tmp_path / "particles.star")["particles"]
    instances, classes, tomogram = (volume(tmp_path, folder) for folder in ("instances", "classes", "tomograms"))
    assert tomogram.shape == SIZE[::-1]
    listed = read_tables(tmp_path / "tomograms.star")["global"]
    named = [name for column in listed if "ReconstructedTomogram" in column for name in listed[column]]
    assert len(named) == 3
    assert all((tmp_path / name).is_file() for name in named)
    vesicle = len(table) + 1
    assert set(instances.unique().int().tolist()) == {0, *range(1, vesicle + 1)}
    wall = instances == vesicle
    assert classes[wall].unique().tolist() == [3]  # one past the structures
    assert tomogram[wall].mean() > tomogram[instances == 0].mean()
    thickness = float(wall.sum()) * PIXEL_SIZE**3 / (4 * math.pi * 90.0**2)
    assert 40 < thickness < 65
    middle = torch.tensor([side // 2 for side in SIZE])
    for number, row in enumerate(table.itertuples(), 1):
        own = instances == number
        assert classes[own].unique().tolist() == [row.rlnClassNumber]
        x, y, z = (
            np.array([getattr(row, f"rlnCenteredCoordinate{axis}Angst") for axis in "XYZ"]) / PIXEL_SIZE
        ).tolist()
        places = own.nonzero().float().mean(0).flip(0) - middle
        inside = all(abs(at) < side / 2 - 8 for at, side in zip((x, y, z), SIZE, strict=True))
        if inside:
            assert float((places - torch.tensor([x, y, z])).norm()) < 2.5
        assert tomogram[own].mean() > tomogram[instances == 0].mean()  # light
    picks = [json.loads(path.read_text()) for path in sorted((tmp_path / "picks" / "tomogram_0001").glob("*.json"))]
    assert [pick["pickable_object_name"] for pick in picks] == ["membrane", "pseudo-protein"]
    points = {point["instance_id"]: point for pick in picks for point in pick["points"]}
    assert sorted(points) == list(range(1, len(table) + 1))
    angles = torch.from_numpy(table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy())
    for number, rotation in enumerate(euler_to_rotation(angles), 1):
        turn = torch.tensor(points[number]["transformation_"])[:3, :3]
        assert torch.allclose(turn.double(), rotation, atol=1e-4)
        x = table["rlnCenteredCoordinateXAngst"][number - 1] + PIXEL_SIZE * (SIZE[0] // 2)
        assert points[number]["location"]["x"] == pytest.approx(x, abs=0.01)


def test_halves_share_the_signal_alone_and_the_tilt_series_has_the_ratio_asked_for(tmp_path: Path) -> None:
    simulate_tomogram(options(tmp_path / "noisy", snr_db=-6.0))
    simulate_tomogram(options(tmp_path / "clean", snr_db=60.0))
    even, odd, whole = (volume(tmp_path / "noisy", folder) for folder in ("even", "odd", "tomograms"))
    clean = volume(tmp_path / "clean", "tomograms")
    assert torch.allclose((even + odd) / 2, whole, atol=1e-4)
    assert abs(float(torch.corrcoef(torch.stack([(even - clean).flatten(), (odd - clean).flatten()]))[0, 1])) < 0.05
    noisy, bare = (
        read_map(tmp_path / name / "tilt_series" / "tomogram_0001.mrcs").volume[6] for name in ("noisy", "clean")
    )
    assert 10 * float((bare.var() / (noisy - bare).var()).log10()) == pytest.approx(-6, abs=0.5)


def test_the_ratio_is_that_of_several_tomograms(tmp_path: Path) -> None:
    for name, ratio in (("noisy", -6.0), ("clean", 60.0)):
        simulate_tomogram(options(tmp_path / name, count=3, snr_db=ratio, lens=CTFRanges((5_000.0, 60_000.0))))
    noisy, clean = (
        torch.stack([read_map(path).volume[6] for path in sorted((tmp_path / name / "tilt_series").glob("*.mrcs"))])
        for name in ("noisy", "clean")
    )
    noise, shown = (noisy - clean).var((1, 2)), clean.var((1, 2))
    assert 10 * float((shown.mean() / noise.mean()).log10()) == pytest.approx(-6, abs=0.3)
    assert noise.max() < 1.1 * noise.min()


def test_the_same_seed_gives_the_same_bytes_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    simulate_tomogram(options(tmp_path / "one", count=2))
    simulate_tomogram(options(tmp_path / "two", count=2))
    files = {path.relative_to(tmp_path / "one"): path.read_bytes() for path in (tmp_path / "one").rglob("*.*")}
    for name in ("particles.star", "tomograms/tomogram_0002.mrc"):
        (tmp_path / "two" / name).unlink()
    simulate_tomogram(options(tmp_path / "two", count=2))
    assert all((tmp_path / "two" / name).read_bytes() == held for name, held in files.items() if name.suffix)


def test_structures_that_are_called_alike_keep_files_of_their_own(tmp_path: Path) -> None:
    models = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        models.append(str(tmp_path / folder / "emd_1.23.mrc"))
        write_map(models[-1], fourier_crop(pseudo_protein(48, 6.0), 24, 3), 12.0)
    simulate_tomogram(options(tmp_path / "out", models=tuple(models)))
    names = sorted(path.name for path in (tmp_path / "out" / "truth").iterdir())
    assert names == ["emd-1.23-1.mrc", "emd-1.23-2.mrc"]
    assert len(list((tmp_path / "out" / "picks" / "tomogram_0001").iterdir())) == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": ()}, "give one MODEL or more"),
        ({"molecules": 0}, "--molecules must be positive, it is 0"),
        ({"size": (64, 64, 4)}, "--size must be 8 or more along all sides"),
        ({"vesicle_radius": (300.0, 200.0)}, "--vesicle-radius must be the smallest, then the largest: not 300 200"),
        ({"snr_db": float("inf")}, "--snr-db must be a number, it is inf"),
        ({"tilts": TiltScheme(ice_thickness=900.0)}, "--ice-thickness 900: more than the tomogram's 576 angstrom"),
        ({"tilts": TiltScheme(ice_thickness=90.0)}, "--ice-thickness 90: too thin for molecules of"),
    ],
)
def test_what_will_not_do_is_refused_in_a_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        simulate_tomogram(options(tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()
