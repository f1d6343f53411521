"""Subtomograms are read as their table and their headers say, or refused in a sentence."""

from dataclasses import replace
from pathlib import Path

import mrcfile
import pandas as pd
import pytest
import torch

from frazil.data.subtomograms import read_subtomograms
from frazil.data.tomograms_read import molecules_of
from frazil.io import read_tables, write_map, write_tables
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, simulate_subtomograms


def written(folder: Path, sides: tuple[int, ...] = (8, 8, 8), pixel_size: float = 10.0) -> Path:
    (folder / "volumes").mkdir(parents=True)
    generator = torch.Generator().manual_seed(1)
    for number, side in enumerate(sides):
        write_map(
            folder / "volumes" / f"{number}.mrc", 3 + torch.randn(side, side, side, generator=generator), pixel_size
        )
    names = [f"volumes/{number}.mrc" for number in range(len(sides))]
    table = pd.DataFrame({"rlnImageName": names, "rlnClassNumber": [2, 1, 2][: len(sides)]})
    write_tables(folder / "particles.star", {"particles": table})
    return folder / "particles.star"


def test_a_table_and_a_folder_give_the_same_volumes_in_units_of_their_own(tmp_path: Path) -> None:
    star = written(tmp_path)
    by_table, by_folder = read_subtomograms(star), read_subtomograms(tmp_path / "volumes")
    assert torch.equal(by_table.volumes(), by_folder.volumes())
    assert torch.allclose(by_table.volumes().flatten(1).std(1), torch.ones(3))
    assert (by_table.box, by_table.pixel_size, len(by_table)) == (8, 10.0, 3)
    classes = by_table.classes()
    assert classes is not None
    assert classes.tolist() == [2, 1, 2]
    assert by_folder.classes() is None
    some = by_table.select([2, 1])
    assert torch.equal(some.volumes(), by_table.volumes([2, 1]))
    picked = some.classes()
    assert picked is not None
    assert picked.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("rlnImagePixelSize", 12.0, r"row 1: rlnImagePixelSize is 12, and the header of its file says 10"),
        ("rlnImagePixelSize", -10.0, r"row 1: rlnImagePixelSize is -10$"),
        ("rlnClassNumber", 1.5, r"row 1: rlnClassNumber is 1.5, no whole number"),
        ("rlnClassNumber", "foo", r"row 1: rlnClassNumber is foo"),
    ],
)
def test_columns_that_make_no_sense_are_refused(tmp_path: Path, column: str, value: object, sentence: str) -> None:
    star = written(tmp_path)
    rows = read_tables(star)["particles"].assign(**{column: value})
    write_tables(star, {"particles": rows})
    with pytest.raises(ValueError, match=sentence):
        read_subtomograms(star).classes()


def test_whether_protein_is_dark_is_measured_and_turned(tmp_path: Path) -> None:
    options = SimulateSubtomograms(
        ("pseudo-protein",), tmp_path / "out", count=24, box=24, pixel_size=10.0, snr_db=-10.0, workers=1
    )
    simulate_subtomograms(options)
    light = read_subtomograms(tmp_path / "out" / "particles.star")
    assert light.measured_sign(60.0) == 1.0
    turned = replace(light, sign=-1.0)
    assert turned.measured_sign(60.0) == -1.0
    assert torch.equal(turned.volumes([3]), -light.volumes([3]))
    assert light.select(range(10)).measured_sign(60.0) is None


def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path) -> None:
    star = written(tmp_path / "gone")
    (tmp_path / "gone" / "volumes" / "1.mrc").unlink()
    with pytest.raises(FileNotFoundError, match=r"particles.star, row 2: volumes/1.mrc is not there"):
        read_subtomograms(star)
    with pytest.raises(ValueError, match=r"1.mrc: 6 x 6 x 6 voxels, where .*0.mrc has 8 a side"):
        read_subtomograms(written(tmp_path / "other", (8, 6, 8)))
    star = written(tmp_path / "unknown", pixel_size=0.0)
    with pytest.raises(ValueError, match="does not say its pixel size; give --pixel-size"):
        read_subtomograms(star)
    assert read_subtomograms(star, 12.0).pixel_size == 12.0
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no .mrc files"):
        read_subtomograms(tmp_path / "empty")
    write_map(tmp_path / "empty" / "flat.mrc", torch.ones(8, 8, 8), 10.0)
    with pytest.raises(ValueError, match=r"flat.mrc: is the same everywhere"):
        read_subtomograms(tmp_path / "empty").volumes()
    write_map(tmp_path / "empty" / "flat.mrc", torch.full((8, 8, 8), torch.nan), 10.0)
    with pytest.raises(ValueError, match=r"flat.mrc: the map holds NaN or infinite values"):
        read_subtomograms(tmp_path / "empty").volumes()
    with pytest.raises(ValueError, match=r"other: has a table; give .*other/particles.star"):
        read_subtomograms(tmp_path / "other")
    write_tables(tmp_path / "no.star", {"particles": pd.DataFrame({"rlnMicrographName": ["a"]})})
    with pytest.raises(ValueError, match="lists no subtomograms"):
        read_subtomograms(tmp_path / "no.star")


@pytest.mark.data
def test_stacks_of_tilt_images_are_not_taken_for_volumes(shared_data: Path) -> None:
    folder = shared_data / "ribosome_tilts_warptools"
    with pytest.raises(ValueError, match="stacks of tilt images"):
        read_subtomograms(folder / "warptools_test_4-tomos_10-ptcls_box-32_angpix-12.star")


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"rlnTomoSubtomogramTilt": [0.0, 30.0, 0.0]},
            "row 2: rlnTomoSubtomogramTilt is 30, but boxes must be",
        ),
        ({"rlnTomoSubtomogramRot": 0.0}, None),
    ],
)
def test_boxes_that_were_turned_are_refused(tmp_path: Path, columns: dict, sentence: str | None) -> None:
    star = written(tmp_path)
    write_tables(star, {"particles": read_tables(star)["particles"].assign(**columns)})
    if sentence is None:
        assert len(read_subtomograms(star)) == 3
        return
    with pytest.raises(ValueError, match=sentence):
        read_subtomograms(star)


def test_voxels_that_are_no_cubes_are_refused(tmp_path: Path) -> None:
    written(tmp_path)
    with mrcfile.open(tmp_path / "volumes" / "1.mrc", "r+") as file:
        file.voxel_size = (10.0, 10.0, 20.0)
    with pytest.raises(ValueError, match=r"1.mrc: its voxels are 10 x 10 x 20 angstrom along x, y and z, no cubes"):
        read_subtomograms(tmp_path / "volumes")


def test_origins_in_pixels_become_angstrom_or_are_refused(tmp_path: Path) -> None:
    star = written(tmp_path)
    rows = read_tables(star)["particles"].assign(rlnOriginX=1.0, rlnOriginY=-2.0, rlnOriginZ=3.0)
    write_tables(star, {"particles": rows.assign(rlnPixelSize=10.0)})
    table = read_subtomograms(star).table
    assert table is not None
    assert molecules_of(table, star).within.tolist() == [[-10.0, 20.0, -30.0]] * 3
    write_tables(star, {"particles": rows})
    table = read_subtomograms(star).table
    assert table is not None
    with pytest.raises(ValueError, match=r"particles.star: its origins are in pixels"):
        molecules_of(table, star)
