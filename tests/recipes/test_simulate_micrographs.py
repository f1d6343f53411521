"""Simulated micrographs: labels say what images show, bytes follow from the seed, and a stopped run goes on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pandas as pd
import pytest
import torch

from frazil.data import pseudo_protein
from frazil.data.lens_tables import read_ctf_rows
from frazil.geometry import euler_to_rotation
from frazil.io import read_map, read_tables, write_map
from frazil.io.folder_lock import FolderLock
from frazil.physics import CTFRanges
from frazil.recipes.simulate_micrographs import SimulateMicrographs, fields_of, simulate_micrographs

SIZE = (160, 128)


def options(out: Path, **changes: Any) -> SimulateMicrographs:
    """Two small micrographs of the pseudo-protein, 120 angstrom wide."""
    base = SimulateMicrographs(
        models=("pseudo-protein",), out=out, count=2, size=SIZE, pixel_size=6.0, particles=12.0, seed=3, workers=1
    )
    groups = {name: getattr(base, name) for name in ("exposure", "solvent")}
    for name, group in groups.items():
        own = {field: changes.pop(field) for field in vars(group) if field in changes}
        groups[name] = replace(group, **own)
    return replace(base, **groups, **changes)


def table(out: Path, name: str = "particles.star") -> pd.DataFrame:
    """The rows of a table, its optics joined in."""
    tables = read_tables(out / name)
    return tables[name.removesuffix(".star")].merge(tables["optics"], on="rlnOpticsGroup")


def every_file(out: Path) -> dict[str, bytes]:
    """What the files hold, but for the record of the run."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_every_particle_drawn_is_labelled_where_it_lies(tmp_path: Path) -> None:
    simulate_micrographs(options(tmp_path, snr_db=20.0, dose=1000.0, ctf="none", ice_variation=0.0))
    rows = table(tmp_path)
    assert len(rows) == 24
    for name, own in rows.groupby("rlnMicrographName"):
        image = read_map(tmp_path / str(name)).volume[0]
        mask = read_map(tmp_path / "masks" / Path(str(name)).name).volume[0]
        assert image.shape == mask.shape == (SIZE[1], SIZE[0])
        x, y = np.rint(own[["rlnCoordinateX", "rlnCoordinateY"]].to_numpy()).astype(int).clip(0, SIZE[0] - 1).T
        grown = torch.nn.functional.max_pool2d(mask[None], 5, 1, 2)[0]
        assert (grown[torch.from_numpy(y.clip(0, SIZE[1] - 1)), torch.from_numpy(x)] == 1).all()
        assert image[mask > 0].mean() < image[mask == 0].mean()  # dark


def test_the_same_labels_stand_in_every_format(tmp_path: Path) -> None:
    simulate_micrographs(options(tmp_path))
    rows = table(tmp_path)
    places = rows[["rlnCoordinateX", "rlnCoordinateY"]].to_numpy()
    topaz = pd.read_csv(tmp_path / "particles.txt", sep="\t", dtype={"image_name": str})
    assert list(topaz) == ["image_name", "x_coord", "y_coord"]
    assert np.array_equal(topaz[["x_coord", "y_coord"]], np.rint(places))
    assert list(topaz["image_name"]) == [Path(name).stem for name in rows["rlnMicrographName"]]
    boxes = np.concatenate([np.loadtxt(path) for path in sorted((tmp_path / "boxes").iterdir())])
    assert np.array_equal(boxes[:, :2] + boxes[:, 2:] // 2, np.rint(places))
    corners = [
        [float(value) for value in line.split()[:4:1] if value != "<NA>"]
        for path in sorted((tmp_path / "cboxes").iterdir())
        for line in path.read_text().splitlines()
        if (line and line[0].isdigit()) or line.startswith("-")
    ]
    cbox = np.array(corners)
    assert np.allclose(cbox[:, :2] + cbox[:, 2:3] // 2, places, atol=1e-2)


def test_micrographs_and_masks_are_single_images_to_other_programs(tmp_path: Path) -> None:
    simulate_micrographs(options(tmp_path, count=1))
    for folder in ("micrographs", "masks"):
        with mrcfile.open(tmp_path / folder / "000001.mrc") as file:
            assert file.is_single_image()
            assert file.data.shape == (SIZE[1], SIZE[0])
            assert file.voxel_size.x == pytest.approx(6.0)


def test_particles_that_reach_over_the_edge_are_flagged(tmp_path: Path) -> None:
    simulate_micrographs(options(tmp_path, count=6))
    rows = table(tmp_path)
    at_edge = rows["frazilOnEdge"] == 1
    x, y = rows["rlnCoordinateX"], rows["rlnCoordinateY"]
    inside = np.minimum.reduce([x + 0.5, y + 0.5, SIZE[0] - 0.5 - x, SIZE[1] - 0.5 - y])
    assert at_edge.any()
    assert inside[at_edge].max() < inside[~at_edge].min()


def test_each_particle_has_the_lens_of_its_micrograph_at_its_depth(tmp_path: Path) -> None:
    simulate_micrographs(options(tmp_path, ice_thickness=900.0))
    rows, lenses = table(tmp_path), table(tmp_path, "micrographs.star").set_index("rlnMicrographName")
    lens = lenses.loc[rows["rlnMicrographName"]].reset_index()
    for column in ("rlnDefocusU", "rlnDefocusV"):
        assert np.allclose(rows[column] - lens[column], rows["frazilDepth"], atol=0.02)
    assert rows["frazilDepth"].std() > 100
    assert len(read_ctf_rows(tmp_path / "micrographs.star", CTFRanges())) == 2
    assert set(rows["rlnVoltage"]) == {300}


def test_poses_are_all_different(tmp_path: Path) -> None:
    simulate_micrographs(options(tmp_path, count=3))
    angles = torch.from_numpy(table(tmp_path)[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy())
    traces = torch.einsum("aij,bij->ab", *[euler_to_rotation(angles)] * 2)
    assert (traces - torch.eye(36) * 3).max() < 2.999


@pytest.mark.slow
def test_a_thousand_micrographs_hold_as_many_poses_as_particles(tmp_path: Path) -> None:
    data = fields_of(options(tmp_path, count=1000))
    rotation = torch.cat([data.labels(number).particles.rotation for number in range(1000)])
    assert len(rotation) == 12_000
    assert len(torch.unique(rotation.flatten(1), dim=0)) == len(rotation)


@pytest.mark.parametrize("mode", ["physics", "paper"])
def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(tmp_path: Path, mode: Any) -> None:
    for name, workers in {"one": 1, "three": 3}.items():
        simulate_micrographs(options(tmp_path / name, count=4, mode=mode, workers=workers))
    assert every_file(tmp_path / "one") == every_file(tmp_path / "three")
    simulate_micrographs(options(tmp_path / "other", count=4, mode=mode, seed=4))
    assert every_file(tmp_path / "one") != every_file(tmp_path / "other")


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    simulate_micrographs(options(tmp_path / "whole"))
    simulate_micrographs(options(tmp_path / "stopped"))
    for path in ("micrographs/000002.mrc", "masks/000002.mrc", "micrographs.star", "particles.star"):
        (tmp_path / "stopped" / path).unlink()
    first = tmp_path / "stopped" / "micrographs" / "000001.mrc"
    written = first.stat().st_mtime_ns
    simulate_micrographs(options(tmp_path / "stopped"))
    assert every_file(tmp_path / "whole") == every_file(tmp_path / "stopped")
    assert first.stat().st_mtime_ns == written


def test_lumps_of_ice_and_real_ice_lie_on_micrographs_and_leave_labels_alone(tmp_path: Path) -> None:
    simulate_micrographs(options(tmp_path / "bare"))
    ice = {"ice": tmp_path / "bare" / "micrographs"}
    for name, changes in {"lumps": {"lumps": 5.0}, "ice": ice, "both": {**ice, "lumps": 5.0, "mode": "paper"}}.items():
        simulate_micrographs(options(tmp_path / name, **changes))
        assert table(tmp_path / name).equals(table(tmp_path / "bare"))
        image = "micrographs/000001.mrc"
        assert (tmp_path / name / image).read_bytes() != (tmp_path / "bare" / image).read_bytes()


def test_several_structures_are_equally_dense_whatever_their_units(tmp_path: Path) -> None:
    volume = pseudo_protein(32, 6.0)
    for name, scale in (("one", 1.0), ("two", 1000.0)):
        write_map(tmp_path / f"{name}.mrc", scale * volume, 6.0)
    models = tuple(str(tmp_path / f"{name}.mrc") for name in ("one", "two"))
    first, second = (one.values for one in fields_of(options(tmp_path / "out", models=models)).population.structures)
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4 * float(first.abs().max()))


def test_several_structures_are_mixed_and_numbered(tmp_path: Path) -> None:
    volume = torch.zeros(20, 20, 20)
    volume[6:14, 8:12, 8:12] = 1
    write_map(tmp_path / "bar.mrc", volume, 6.0)
    models = ("pseudo-protein", str(tmp_path / "bar.mrc"))
    simulate_micrographs(options(tmp_path / "run", models=models, particles=8.0))
    assert set(table(tmp_path / "run")["rlnClassNumber"]) == {1, 2}


def test_the_lenses_of_the_users_micrographs_are_drawn(tmp_path: Path, shared_data: Path) -> None:
    star = shared_data / "apoferritin_empiar10146" / "micrographs_ctf.star"
    simulate_micrographs(options(tmp_path, ctf=str(star)))
    known = ctf_of_table_rows(star)
    assert set(table(tmp_path, "micrographs.star")["rlnDefocusU"].round(1)) <= known


def ctf_of_table_rows(star: Path) -> set[float]:
    """Defocus U of the rows of a table."""
    return {round(float(value), 1) for value in read_tables(star)["micrographs"]["rlnDefocusU"]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": ()}, "give one MODEL or more"),
        ({"count": 0}, "--count must be positive, it is 0"),
        ({"dose": -1.0}, "--dose must be positive, it is -1"),
        ({"particles": -1.0}, "--particles must not be negative, it is -1"),
        ({"particles": 0.0}, "--particles 0: the first micrographs hold none; give more"),
        ({"size": (16, 128)}, r"--size must be 32 or more along both sides, it is \(16, 128\)"),
        ({"crowding": 2.0}, "--crowding must lie in 0 ... 1, it is 2"),
        ({"snr_db": 40.0}, r"--snr-db 40: at --dose 40 particles would have to take \d+% of the beam"),
        ({"snr_db": float("inf")}, "--snr-db must be a number, it is inf"),
        ({"mtf": Path("nothing.star")}, "nothing.star"),
        ({"models": ("nothing.mrc",)}, "nothing.mrc does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(tmp_path: Path, changes: Any, sentence: str) -> None:
    with pytest.raises((ValueError, OSError), match=sentence):
        simulate_micrographs(options(tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_a_field_that_is_full_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulate_micrographs(options(tmp_path / "full", particles=400.0))
    assert "fewer than 400 on each: no more found room at a crowding of 0" in capsys.readouterr().err
    simulate_micrographs(options(tmp_path / "free", particles=6.0, particles_deviation=2.0))
    assert "fewer" not in capsys.readouterr().err


def test_another_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    simulate_micrographs(options(tmp_path))
    with pytest.raises(ValueError, match=r"other options \(particles was 12.0 and is now 13.0\)"):
        simulate_micrographs(options(tmp_path, particles=13.0))


def test_a_folder_that_another_process_fills_is_refused(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "out"), pytest.raises(ValueError, match="out: another process is writing there"):
        simulate_micrographs(options(tmp_path / "out"))
