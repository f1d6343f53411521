"""Where the neighbours lie: on the same micrograph, in angstrom, x then y, whoever they are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from frazil.data import neighbour_offsets, touching_distance
from frazil.io import ParticleTable

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
