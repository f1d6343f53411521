"""Picked particles: the original rows, in their original order, and nothing else."""

from pathlib import Path

import numpy as np
import pytest

from frazil.io import fingerprint, read_particles, write_particles, write_record
from frazil.recipes.select_particles import SelectParticles, select_particles
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder as a run leaves it, of ten particles in three clusters."""
    data = tmp_path / "data"
    simulate_particles(
        SimulateParticles("pseudo-protein", data, box=16, pixel_size=12.0, count=10, allow_clipping=True)
    )
    table = read_particles(data / "particles.star")
    out = tmp_path / "run"
    out.mkdir()
    file = data / "particles.star"
    inputs = {str(file): fingerprint(file)}
    write_record(out / "config.json", {"config": {"particles": str(file)}, "inputs": inputs, "starts": []})
    cluster = np.array([1, 2, 3, 1, 2, 3, 1, 2, 3, 1])
    write_particles(out / "particles.star", table.with_columns(frazilCluster=cluster, frazilLatent1=np.zeros(10)))
    return out


def original(run: Path) -> Path:
    return run.parent / "data" / "particles.star"


def test_picked_rows_come_in_their_original_order_with_their_original_columns(run: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("# rows of particles.star, from 1\n7\n2\n\n9\n")
    select_particles(SelectParticles(run, tmp_path / "picked.star", rows=tmp_path / "rows.txt"))
    whole, picked = read_particles(original(run)), read_particles(tmp_path / "picked.star")
    assert set(picked.data) == set(whole.data)
    assert picked.numbers("rlnAngleRot").tolist() == whole.numbers("rlnAngleRot")[[1, 6, 8]].tolist()
    assert [name.split("@")[0] for name in picked.data["rlnImageName"]] == ["000002", "000007", "000009"]
    assert Path(picked.image_refs()[0][0]).resolve() == run.parent / "data" / "particles.mrcs"


def test_clusters_are_picked_by_number_and_others_are_the_rest(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    select_particles(SelectParticles(run, tmp_path / "a.star", clusters="1,3"))
    select_particles(SelectParticles(run, tmp_path / "b.star", clusters="1,3", others=True))
    places = [read_particles(tmp_path / f"{name}.star").image_refs()[1].tolist() for name in "ab"]
    assert places == [[0, 2, 3, 5, 6, 8, 9], [1, 4, 7]]
    assert "7 of 10 particles" in capsys.readouterr().out


def test_no_file_is_written_over(run: Path) -> None:
    for path in (original(run), run / "particles.star"):
        before = path.read_bytes()
        with pytest.raises(ValueError, match="is there already"):
            select_particles(SelectParticles(run, path, clusters="1"))
        assert path.read_bytes() == before


def test_a_folder_of_no_run_on_particles_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="data: holds no run on particles"):
        select_particles(SelectParticles(run.parent / "data", tmp_path / "a.star", clusters="1"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "give either --rows or --clusters"),
        ({"clusters": "4"}, "--clusters 4: there is no cluster '4', only 1 to 3"),
        ({"clusters": "1,x"}, "--clusters 1,x: there is no cluster 'x'"),
        ({"clusters": "1,2,3", "others": True}, "no particle was picked"),
        ({"clusters": "1", "out": Path("picked.txt")}, "picked.txt: the file to write must end in .star"),
    ],
)
def test_what_cannot_be_picked_is_said(run: Path, tmp_path: Path, changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        select_particles(SelectParticles(**{"run": run, "out": tmp_path / "picked.star", **changes}))
    assert not (tmp_path / "picked.star").exists()


@pytest.mark.parametrize("line", ["11", "0", "-1", "one", "2.5"])
def test_a_row_that_is_none_is_named_with_its_line(run: Path, tmp_path: Path, line: str) -> None:
    (tmp_path / "rows.txt").write_text(f"3\n{line}\n")
    with pytest.raises(ValueError, match=r"rows.txt, line 2: '.*' is no row of the 10 particles"):
        select_particles(SelectParticles(run, tmp_path / "picked.star", rows=tmp_path / "rows.txt"))


def test_a_table_that_was_sorted_since_is_refused(run: Path, tmp_path: Path) -> None:
    write_particles(original(run), read_particles(original(run)).select(range(9, -1, -1)))
    with pytest.raises(ValueError, match=r"is not what it was when the run in .* began; its rows may be others"):
        select_particles(SelectParticles(run, tmp_path / "picked.star", clusters="1"))


def test_a_table_that_has_changed_since_is_refused(run: Path, tmp_path: Path) -> None:
    write_particles(original(run), read_particles(original(run)).select([0, 1]))
    with pytest.raises(ValueError, match="2 rows, but the run had 10; it is not what it was"):
        select_particles(SelectParticles(run, tmp_path / "picked.star", clusters="1"))
