"""Particles cut out of micrographs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from frazil.data.particles import open_particles
from frazil.io import read_particles, write_map, write_tables
from frazil.recipes.extract import Extract, extract

PIXEL_SIZE, SIZE, BOX = 2.0, (120, 90), 24
PLACES = np.array([[40.0, 30.0], [70.25, 50.5], [5.0, 40.0], [100.0, 60.0]])
"""The third is too near an edge."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two micrographs with dark blots on a ramp with noise, and the places of the blots."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.arange(SIZE[0]), torch.arange(SIZE[1])[:, None]
    (tmp_path / "micrographs").mkdir()
    for name in ("one", "two"):
        image = 50 + 0.1 * x + 0.02 * y + 0.1 * torch.randn(SIZE[1], SIZE[0], generator=generator)
        for across, down in PLACES:
            image -= 8 * torch.exp(-((x - across) ** 2 + (y - down) ** 2) / 8)
        write_map(tmp_path / "micrographs" / f"{name}.mrc", image[None], PIXEL_SIZE)
    table = pd.concat([rows("one.mrc"), rows("two.mrc")], ignore_index=True)
    write_tables(tmp_path / "coordinates.star", {"coordinates": table})
    return tmp_path


def rows(name: str) -> pd.DataFrame:
    count = len(PLACES)
    data = {"rlnMicrographName": [name] * count, "rlnCoordinateX": PLACES[:, 0], "rlnCoordinateY": PLACES[:, 1]}
    scores = {"rlnAutopickFigureOfMerit": np.arange(count) / count}
    return pd.DataFrame(data | scores | {"rlnAngleRot": 10.0, "rlnAngleTilt": 20.0, "rlnAnglePsi": 30.0})


def options(folder: Path, **changes: Any) -> Extract:
    base = Extract(
        micrographs=folder / "micrographs",
        coordinates=folder / "coordinates.star",
        out=folder / "out",
        diameter=30.0,
        box=BOX,
    )
    return replace(base, **changes)


def test_boxes_are_around_the_particles_flat_and_of_variance_one(folder: Path, capsys: Any) -> None:
    extract(options(folder))
    assert "6 particles of 2 micrographs; 2 too near an edge" in " ".join(capsys.readouterr().out.split())
    particles = open_particles(folder / "out" / "particles.star", "light", radius=15.0)
    images = particles.images(torch.arange(6), BOX)
    # Light, at the middle, on a background without the ramp.
    assert [divmod(int(image.argmax()), BOX) for image in images[[0, 2]]] == [(BOX // 2, BOX // 2)] * 2
    corner = images[:, :4]
    assert corner.mean() == pytest.approx(0, abs=0.3)
    assert corner.std() == pytest.approx(1, abs=0.15)
    table = particles.table
    assert table.pixel_size == PIXEL_SIZE
    assert table.numbers("rlnAngleTilt").tolist() == [20.0] * 6


def test_what_the_nearest_pixel_misses_is_the_shift(folder: Path) -> None:
    extract(options(folder))
    pose = read_particles(folder / "out" / "particles.star").pose()
    assert pose is not None
    # 70.25 and 50.5 are cut out around 70 and 50.
    assert pose.shift[1].tolist() == pytest.approx([0.25 * PIXEL_SIZE, 0.5 * PIXEL_SIZE])
    assert pose.shift[0].tolist() == [0.0, 0.0]


def test_images_may_be_smaller_dark_and_chosen_by_their_score(folder: Path) -> None:
    extract(options(folder, scale_to=12, invert=False, threshold=0.5))
    table = read_particles(folder / "out" / "particles.star")
    assert (table.pixel_size, table.box, len(table)) == (2 * PIXEL_SIZE, 12, 2)
    images = open_particles(folder / "out" / "particles.star", "light", radius=15.0).images(torch.arange(2), 12)
    assert images[:, 6, 6].max() < images.mean()


def test_lenses_come_from_a_table_of_micrographs(folder: Path) -> None:
    lenses = pd.DataFrame({"rlnMicrographName": ["a/one.mrc", "a/two.mrc"], "rlnDefocusU": [1e4, 2e4]})
    lenses = lenses.assign(rlnDefocusV=lenses["rlnDefocusU"], rlnDefocusAngle=0.0)
    write_tables(folder / "ctf.star", {"micrographs": lenses})
    extract(options(folder, ctf=folder / "ctf.star"))
    table = read_particles(folder / "out" / "particles.star")
    assert table.numbers("rlnDefocusU").tolist() == [1e4] * 3 + [2e4] * 3
    assert table.numbers("rlnVoltage")[0] == 300
    same_names = lenses.assign(rlnMicrographName="a/one.mrc")
    write_tables(folder / "ctf.star", {"micrographs": same_names})
    with pytest.raises(ValueError, match=r"ctf\.star: gives one lenses up to 10000 angstrom of defocus apart"):
        extract(options(folder, out=folder / "other", ctf=folder / "ctf.star"))
    write_tables(folder / "ctf.star", {"micrographs": lenses[:1]})
    with pytest.raises(ValueError, match=r"ctf.star: says nothing of two\.mrc"):
        extract(options(folder, out=folder / "other", ctf=folder / "ctf.star"))
    assert not list((folder / "other").iterdir())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"diameter": -1.0}, "--diameter must be positive"),
        ({"box": 10}, "--box 10: a particle of 30 angstrom needs 15 px or more"),
        ({"scale_to": 48}, "--scale-to 48: is more than the 24 px"),
        ({"box": 88}, "no box of 88 px lies within its micrograph"),
        ({"coordinates": Path("nowhere.star")}, "nowhere.star"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(folder: Path, changes: Any, sentence: str) -> None:
    with pytest.raises((ValueError, OSError), match=sentence):
        extract(options(folder, **changes))
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())


def test_coordinates_of_other_pixels_are_refused(folder: Path) -> None:
    table = pd.concat([rows("one.mrc"), rows("two.mrc")], ignore_index=True).assign(rlnMicrographPixelSize=4.0)
    write_tables(folder / "coordinates.star", {"coordinates": table})
    with pytest.raises(ValueError, match=r"count pixels of 4 angstrom .*, but it has pixels of 2"):
        extract(options(folder))


def test_no_stack_is_replaced(folder: Path) -> None:
    extract(options(folder))
    with pytest.raises(ValueError, match=r"particles\.mrcs: is there already"):
        extract(options(folder))


def test_names_that_do_not_meet_are_said(folder: Path) -> None:
    write_tables(folder / "others.star", {"": rows("three.mrc")})
    with pytest.raises(ValueError, match=r"others.star: names no micrograph of .*one\.mrc"):
        extract(options(folder, coordinates=folder / "others.star"))


def test_coordinates_may_be_a_picker_s(folder: Path, capsys: Any) -> None:
    lines = [f"one\t{x:.0f}\t{y:.0f}\t{score}" for (x, y), score in zip(PLACES, (0.9, 0.8, 0.7, 0.1), strict=True)]
    (folder / "picks.txt").write_text("\n".join(["image_name\tx_coord\ty_coord\tscore", *lines]) + "\n")
    extract(options(folder, coordinates=folder / "picks.txt", threshold=0.5))
    said = " ".join(capsys.readouterr().out.split())
    assert "2 particles of 1 micrographs; 1 too near an edge" in said
    assert "1 micrographs have no particles" in said
    table = read_particles(folder / "out" / "particles.star")
    assert table.numbers("rlnAutopickFigureOfMerit").tolist() == [0.9, 0.8]
    with pytest.raises(ValueError, match=r"no score reaches --threshold 2; the best is 0\.9"):
        extract(options(folder, out=folder / "other", coordinates=folder / "picks.txt", threshold=2.0))
    (folder / "picks.txt").write_text("image_name\tx_coord\ty_coord\n")
    with pytest.raises(ValueError, match=r"picks\.txt: holds no particles"):
        extract(options(folder, out=folder / "other", coordinates=folder / "picks.txt"))


def test_optics_groups_of_the_coordinates_come_along(folder: Path) -> None:
    optics = pd.DataFrame({"rlnOpticsGroup": [1, 2], "rlnOpticsGroupName": ["a", "b"], "rlnVoltage": [200.0, 300.0]})
    both = pd.concat([rows("one.mrc").assign(rlnOpticsGroup=1), rows("two.mrc").assign(rlnOpticsGroup=2)])
    write_tables(folder / "relion.star", {"optics": optics, "particles": both})
    extract(options(folder, coordinates=folder / "relion.star"))
    table = read_particles(folder / "out" / "particles.star")
    assert table.numbers("rlnVoltage").tolist() == [200.0] * 3 + [300.0] * 3


def test_micrographs_that_will_not_do_are_named(folder: Path) -> None:
    write_map(folder / "micrographs" / "two.mrc", torch.zeros(1, SIZE[1], SIZE[0]), PIXEL_SIZE)
    with pytest.raises(ValueError, match=r"two\.mrc: "):
        extract(options(folder))
    write_map(folder / "micrographs" / "two.mrc", torch.zeros(1, SIZE[1], SIZE[0]), 3.0)
    with pytest.raises(ValueError, match=r"two\.mrc: has pixels of 3 angstrom, others 2"):
        extract(options(folder))
    assert not list((folder / "out").iterdir())
