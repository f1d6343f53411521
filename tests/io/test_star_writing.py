"""Writing STAR files that RELION, and we, read back."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import starfile
import torch

from frazil.geometry import Pose, random_rotations
from frazil.io import ParticleTable, open_images, read_particles, write_particles


@pytest.fixture
def table(tmp_path: Path) -> ParticleTable:
    data = pd.DataFrame(
        {
            "rlnImageName": [f"{place:06d}@stack.mrcs" for place in (3, 1, 2)],
            "rlnOpticsGroup": [1, 1, 1],
            "rlnDefocusU": [15000.25, 16000.125, 17000.0625],
            "rlnMicrographName": ["a b.mrc", "0002", ""],
            "rlnImagePixelSize": 1.5,
        }
    )
    optics = pd.DataFrame({"rlnOpticsGroup": [1], "rlnOpticsGroupName": ["one"], "rlnImagePixelSize": [1.5]})
    return ParticleTable(tmp_path / "table.star", data, optics)


def test_every_column_comes_back(tmp_path: Path, table: ParticleTable) -> None:
    write_particles(tmp_path / "out.star", table)
    read = read_particles(tmp_path / "out.star")
    pd.testing.assert_frame_equal(read.data[list(table.data)], table.data, check_dtype=False)
    pd.testing.assert_frame_equal(read.optics, table.optics, check_dtype=False)


def test_what_particles_have_of_their_own_beside_their_group_comes_back(tmp_path: Path, table: ParticleTable) -> None:
    own = table.with_columns(rlnImagePixelSize=np.array([1.5, 1.5, 1.25]))
    write_particles(tmp_path / "out.star", own)
    assert read_particles(tmp_path / "out.star").data["rlnImagePixelSize"].tolist() == [1.5, 1.5, 1.25]


def test_starfile_reads_optics_once_per_group(tmp_path: Path, table: ParticleTable) -> None:
    write_particles(tmp_path / "out.star", table)
    blocks = starfile.read(tmp_path / "out.star", always_dict=True)
    assert list(blocks) == ["optics", "particles"]
    assert len(blocks["optics"]) == 1
    assert "rlnImagePixelSize" not in blocks["particles"]
    assert blocks["particles"]["rlnDefocusU"].tolist() == [15000.25, 16000.125, 17000.0625]


def test_poses_and_half_sets_come_back(tmp_path: Path, table: ParticleTable) -> None:
    pose = Pose(random_rotations(3, torch.Generator().manual_seed(1)), torch.randn(3, 2))
    write_particles(tmp_path / "out.star", table.with_pose(pose).with_half_sets([2, 1, 2]))
    read = read_particles(tmp_path / "out.star")
    again = read.pose()
    assert again is not None
    torch.testing.assert_close(again.rotation, pose.rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(again.shift, pose.shift)
    assert read.data["rlnRandomSubset"].tolist() == [2, 1, 2]


def test_a_selection_keeps_rows_whole(tmp_path: Path, table: ParticleTable) -> None:
    write_particles(tmp_path / "out.star", table.select([2, 0]))
    read = read_particles(tmp_path / "out.star")
    assert read.data["rlnDefocusU"].tolist() == [17000.0625, 15000.25]
    assert read.image_refs()[1].tolist() == [1, 2]


def test_a_relion_30_table_is_written_as_31(tmp_path: Path, star: Callable[..., Path]) -> None:
    path = star(
        "data_\nloop_\n_rlnImageName\n_rlnOriginX\n_rlnOriginY\n_rlnVoltage\n_rlnMagnification\n_rlnDetectorPixelSize\n"
        "1@a.mrcs 2 3 300 10000 1.5\n2@a.mrcs 4 5 200 10000 1.5\n"
    )
    write_particles(tmp_path / "out.star", read_particles(path))
    blocks = starfile.read(tmp_path / "out.star", always_dict=True)
    assert blocks["optics"]["rlnVoltage"].tolist() == [300, 200]
    assert blocks["particles"]["rlnOriginXAngst"].tolist() == [3.0, 6.0]
    assert blocks["particles"]["rlnOpticsGroup"].tolist() == [1, 2]
    assert "rlnOriginX" not in blocks["particles"]


def test_images_are_found_from_another_folder(tmp_path: Path, table: ParticleTable, stack: Callable[..., Path]) -> None:
    stack(np.random.rand(3, 4, 4).astype(np.float32))
    elsewhere = tmp_path.parent / f"{tmp_path.name}_run"
    elsewhere.mkdir()
    write_particles(elsewhere / "out.star", table)
    moved = read_particles(elsewhere / "out.star")
    np.testing.assert_array_equal(open_images(moved).read([0, 1]), open_images(table).read([0, 1]))
    assert moved.image_refs()[0][0] == str(tmp_path / "stack.mrcs")


def test_names_relative_to_the_project_stay_as_they_are(
    tmp_path: Path, table: ParticleTable, stack: Callable[..., Path]
) -> None:
    stack(np.random.rand(3, 4, 4).astype(np.float32))
    (tmp_path / "run").mkdir()
    write_particles(tmp_path / "run" / "out.star", table)
    assert read_particles(tmp_path / "run" / "out.star").image_refs()[0] == ["stack.mrcs"] * 3


def test_a_name_that_only_leads_somewhere_from_the_current_folder_becomes_absolute(
    tmp_path: Path, table: ParticleTable, stack: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack(np.random.rand(3, 4, 4).astype(np.float32))
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path.parent / f"{tmp_path.name}_run"
    elsewhere.mkdir()
    write_particles(elsewhere / "out.star", table)
    assert read_particles(elsewhere / "out.star").image_refs()[0] == [str(tmp_path / "stack.mrcs")] * 3


def test_a_job_whose_folder_is_a_link_finds_its_projects_images(
    tmp_path: Path, table: ParticleTable, stack: Callable[..., Path]
) -> None:
    stack(np.random.rand(3, 4, 4).astype(np.float32))
    disk = tmp_path.parent / f"{tmp_path.name}_disk"
    disk.mkdir()
    (tmp_path / "job010").symlink_to(disk)
    write_particles(tmp_path / "job010" / "out.star", table)
    read = read_particles(tmp_path / "job010" / "out.star")
    assert read.image_refs()[0] == ["stack.mrcs"] * 3
    assert len(open_images(read)) == 3


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["relion31.6opticsgroups.star", "relion5.star", "sample_particles_relion31.star", "empiar_10076_7.cs"]
)
def test_a_dialect_survives_being_written(shared_data: Path, tmp_path: Path, name: str) -> None:
    table = read_particles(shared_data / "star_dialects" / name)
    write_particles(tmp_path / "out.star", table)
    read = read_particles(tmp_path / "out.star")
    pd.testing.assert_frame_equal(
        read.data[list(table.data)], table.data, check_dtype=False, check_column_type=False, rtol=1e-9
    )
    pd.testing.assert_frame_equal(read.optics, table.optics, check_dtype=False, rtol=1e-9)
