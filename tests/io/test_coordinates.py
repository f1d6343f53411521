"""Coordinates of particles in the formats of pickers."""

from pathlib import Path

import numpy as np
import pytest

from frazil.io.coordinates import Coordinates, read_coordinates, write_cbox, write_eman_box, write_topaz

PLACES = np.array([[10.25, 20.5], [3.0, -1.5]])


def test_topaz_and_box_files_come_back_as_they_were_written(tmp_path: Path) -> None:
    found = {
        "movies/a.b.mrc": Coordinates(PLACES, np.array([0.9, 0.25])),
        "c.mrc": Coordinates(np.empty((0, 2)), np.empty(0)),
    }
    write_topaz(tmp_path / "picks.txt", found)
    read = read_coordinates(tmp_path / "picks.txt")
    assert list(read) == ["a.b"]
    assert np.array_equal(read["a.b"].places, [[10, 20], [3, -2]])
    assert read["a.b"].scores is not None
    assert read["a.b"].scores.tolist() == [0.9, 0.25]
    (tmp_path / "named.txt").write_text("image_name\tx_coord\ty_coord\na.b.mrc\t1\t2\n")
    assert list(read_coordinates(tmp_path / "named.txt")) == ["a.b"]
    for folder, write in {"boxes": write_eman_box, "cboxes": write_cbox}.items():
        (tmp_path / folder).mkdir()
        suffix = {"boxes": "box", "cboxes": "cbox"}[folder]
        write(tmp_path / folder / f"a.b.{suffix}", PLACES, 31)
        back = read_coordinates(tmp_path / folder)["a.b"].places
        assert np.abs(back - PLACES).max() <= (0.5 if suffix == "box" else 1e-3)


def test_relions_coordinates_are_read_by_micrograph(tmp_path: Path) -> None:
    star = tmp_path / "picks.star"
    rows = "Movies/a.mrc 1.5 2 0.7\nMovies/b.mrc 3 4 0.1\nMovies/a.mrc 5 6 0.2\n"
    star.write_text(
        "data_\nloop_\n_rlnMicrographName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnAutopickFigureOfMerit\n" + rows
    )
    read = read_coordinates(star)
    assert read["a"].places.tolist() == [[1.5, 2], [5, 6]]
    assert read["a"].scores is not None
    assert read["a"].scores.tolist() == [0.7, 0.2]
    assert read["b"].places.tolist() == [[3, 4]]


def test_what_holds_no_coordinates_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.box").write_text("1 2 x 4\n")
    (tmp_path / "other.star").write_text("data_\nloop_\n_rlnVoltage\n300\n")
    (tmp_path / "other.txt").write_text("name\tx\n1\t2\n")
    for name, sentence in {
        "empty": "empty: holds no .box or .cbox files",
        "bad": "a.box: a line of a .box file holds four numbers",
        "other.star": "other.star: has no columns rlnMicrographName, rlnCoordinateX, rlnCoordinateY",
        "other.txt": "other.txt: has no column image_name",
        "nowhere.txt": "nowhere.txt does not exist",
    }.items():
        with pytest.raises((ValueError, OSError), match=sentence):
            read_coordinates(tmp_path / name)
