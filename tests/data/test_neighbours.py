"""Where the neighbours lie: on the same micrograph, in angstrom, x then y, whoever they are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from frazil.data import assumed_pixel_size, neighbour_offsets, touching_distance
from frazil.io import ParticleTable, write_map

PIXEL_SIZE = 1.5


def table(places: np.ndarray, micrographs: list[str], column: str = "rlnMicrographPixelSize") -> ParticleTable:
    """Particles at places given in angstrom."""
    x, y = np.asarray(places, float).T / PIXEL_SIZE
    data = pd.DataFrame({"rlnMicrographName": micrographs, "rlnCoordinateX": x, "rlnCoordinateY": y})
    data[column] = PIXEL_SIZE
    return ParticleTable(Path("particles.star"), data, pd.DataFrame())


def packed(spacing: float = 100.0, side: int = 12, jitter: float = 0.0, seed: int = 1) -> np.ndarray:
    """Places on a square lattice, each moved a little."""
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    chance = np.random.default_rng(seed)
    return spacing * np.stack([x.ravel(), y.ravel()], -1) + jitter * chance.normal(size=(side**2, 2))


@pytest.mark.parametrize("column", ["rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize"])
def test_a_neighbour_is_found_where_it_lies_from_either_side(column: str) -> None:
    found = neighbour_offsets(table([[100, 100], [160, 20]], ["a", "a"], column), least=30.0, reach=150.0)
    assert found is not None
    torch.testing.assert_close(found, torch.tensor([[[60.0, -80.0]], [[-60.0, 80.0]]]))


MOVIE = "rlnMicrographOriginalPixelSize"


def pair(folder: Path, headers: dict[str, float], **columns: float) -> ParticleTable:
    """Two particles 100 px apart in a movie's pixels of 1.5 angstrom, on a micrograph for each header."""
    names = [name for name in headers for _ in range(2)]
    data = pd.DataFrame({"rlnMicrographName": names, "rlnCoordinateX": [0.0, 100.0] * len(headers)})
    for name, pixel_size in headers.items():
        write_map(folder / name, torch.ones(1, 8, 8), pixel_size)
    columns = {"rlnCoordinateY": 0.0, MOVIE: 1.5, **columns}
    return ParticleTable(folder / "particles.star", data.assign(**columns), pd.DataFrame())


def distances(found: ParticleTable) -> list[float]:
    offsets = neighbour_offsets(found, 1.0, 1000.0)
    assert offsets is not None
    return offsets.norm(dim=-1)[:, 0].tolist()


def test_coordinates_count_in_the_pixels_of_the_micrographs_header_where_it_was_binned(tmp_path: Path) -> None:
    found = pair(tmp_path, {"a.mrc": 3.0})
    assert distances(found) == [300, 300]
    assert assumed_pixel_size(found) == "coordinates count in pixels of 3 angstrom, by the micrographs' headers"


def test_a_header_that_says_what_the_table_says_is_not_worth_a_word(tmp_path: Path) -> None:
    found = pair(tmp_path, {"a.mrc": 1.5001})
    assert distances(found) == [150, 150]
    assert assumed_pixel_size(found) is None


def test_the_table_is_believed_before_any_header(tmp_path: Path) -> None:
    found = pair(tmp_path, {"a.mrc": 3.0}, rlnMicrographPixelSize=2.0)
    assert distances(found) == [200, 200]
    assert assumed_pixel_size(found) is None


@pytest.mark.parametrize("header", [0.0, 1.0])
def test_what_had_to_be_assumed_is_said_in_a_sentence(tmp_path: Path, header: float) -> None:
    """Many programs write 0 or 1 into headers without meaning it."""
    found = pair(tmp_path, {"a.mrc": header})
    assert distances(found) == [150, 150]
    said = assumed_pixel_size(found)
    assert said is not None
    assert said.startswith(f"coordinates are taken to count in {MOVIE}, 1.5 angstrom: if micrographs were binned since")
    assert f"add rlnMicrographPixelSize to {tmp_path}/particles.star, or give --neighbours none" in said


@pytest.mark.parametrize("name", ["gone.mrc", "picture.png", "broken.mrc"])
def test_a_micrograph_that_cannot_be_read_does_not_stop_the_run(tmp_path: Path, name: str) -> None:
    found = pair(tmp_path, {name: 3.0})
    if name == "gone.mrc":
        (tmp_path / name).unlink()
    if name == "broken.mrc":
        (tmp_path / name).write_text("none")
    assert distances(found) == [150, 150]
    assert "are taken to count" in (assumed_pixel_size(found) or "")


def test_movies_of_two_pixel_sizes_were_binned_each_in_its_own_way(tmp_path: Path) -> None:
    found = pair(tmp_path, {"a.mrc": 3.0, "b.mrc": 2.0})
    found.data.loc[2:, MOVIE] = 2.0
    assert distances(found) == [300, 300, 200, 200]


def test_a_table_that_says_no_pixel_size_assumes_none(tmp_path: Path) -> None:
    found = pair(tmp_path, {"a.mrc": 3.0})
    del found.data[MOVIE]
    assert neighbour_offsets(found, 1.0, 1000.0) is None
    assert assumed_pixel_size(found) is None


def test_particles_of_other_micrographs_are_no_neighbours() -> None:
    found = neighbour_offsets(table([[0, 0], [60, 0], [0, 60], [0, 120]], ["a", "b", "a", "b"]), 30.0, 100.0)
    assert found is not None
    assert found[0, 0].tolist() == [0, 60]
    assert torch.isinf(found[1]).all()


def test_a_particle_picked_twice_is_not_its_own_neighbour() -> None:
    found = neighbour_offsets(table([[0, 0], [5, 0], [100, 0]], ["a"] * 3), least=50.0, reach=150.0)
    assert found is not None
    assert torch.isfinite(found[..., 0]).sum(1).tolist() == [1, 1, 2]


def test_rows_with_fewer_neighbours_than_others_are_filled_with_infinity() -> None:
    found = neighbour_offsets(table(packed(), ["a"] * 144), least=50.0, reach=110.0)
    assert found is not None
    counts = torch.isfinite(found[..., 0]).sum(1)
    assert found.shape[1] == 4
    assert counts.min() == 2
    assert torch.isfinite(found[..., 0]).flip(1).cummax(1).values.flip(1).sum(1).equal(counts)  # the present come first


def test_sparse_particles_have_none() -> None:
    places = np.concatenate([packed(1000.0), [[5, 50]]])
    assert neighbour_offsets(table(places, ["a"] * 145), least=20.0, reach=100.0) is None


def test_a_table_that_does_not_say_where_its_particles_lie_has_none() -> None:
    whole = table(packed(), ["a"] * 144)
    for column in whole.data:
        part = ParticleTable(whole.path, whole.data.drop(columns=column), whole.optics)
        assert neighbour_offsets(part, 20.0, 150.0) is None
        assert touching_distance(part) is None


def test_a_coordinate_that_is_no_number_is_refused_with_its_row() -> None:
    bad = table(packed(), ["a"] * 144)
    bad.data["rlnCoordinateX"] = bad.data["rlnCoordinateX"].astype(object)
    bad.data.loc[3, "rlnCoordinateX"] = "nan"
    with pytest.raises(ValueError, match=r"particles\.star, row 4: rlnCoordinateX is nan"):
        neighbour_offsets(bad, 20.0, 150.0)


def test_round_particles_that_touch_tell_their_diameter() -> None:
    assert touching_distance(table(packed(120.0, jitter=2.0), ["a"] * 144)) == pytest.approx(120, rel=0.05)


def test_scattered_particles_tell_no_diameter() -> None:
    places = np.random.default_rng(0).uniform(0, 4000, (300, 2))
    assert touching_distance(table(places, ["a"] * 300)) is None


def test_single_particles_of_their_micrographs_tell_no_diameter() -> None:
    assert touching_distance(table([[0, 0], [50, 50]], ["a", "b"])) is None
