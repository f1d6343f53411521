"""Reading STAR files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from frazil.geometry import euler_to_rotation
from frazil.io import ParticleTable, read_particles, read_tables

Star = Callable[..., Path]

RELION_30 = """
data_images

loop_
_rlnImageName #1
_rlnOriginX #2
_rlnOriginY #3
_rlnAngleRot #4
_rlnAngleTilt #5
_rlnAnglePsi #6
_rlnMagnification #7
_rlnDetectorPixelSize #8
000001@a.mrcs 2 -1 10 20 30 50000 10
000003@a.mrcs 0 0.5 -40 90 60 50000 10
"""

RELION_31 = """# version 30001
data_optics
loop_
_rlnOpticsGroup #1
_rlnVoltage #2
_rlnImagePixelSize #3
7 300 1.5
3 200 1.5

data_particles
loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnOriginXAngst #3
_rlnOriginYAngst #4
_rlnAngleRot #5
_rlnAngleTilt #6
_rlnAnglePsi #7
1@a.mrcs 3 4 -2 10 20 30
2@b.mrcs 7 0 0 0 0 0
1@b.mrcs 3 0 0 0 0 0
"""


def test_optics_are_joined_in_without_changing_the_order(star: Star) -> None:
    table = read_particles(star(RELION_31))
    assert table.data["rlnVoltage"].tolist() == [200, 300, 200]
    assert table.data.index.tolist() == [0, 1, 2]
    stacks, places = table.image_refs()
    assert (stacks, places.tolist()) == (["a.mrcs", "b.mrcs", "b.mrcs"], [0, 1, 0])


def test_a_shift_is_the_opposite_of_relions_origin(star: Star) -> None:
    pose = read_particles(star(RELION_31)).pose()
    assert pose is not None
    assert pose.shift[0].tolist() == [-4.0, 2.0]
    torch.testing.assert_close(pose.rotation[0], euler_to_rotation(torch.tensor([10.0, 20.0, 30.0])))


def test_relion_30_origins_in_pixels_become_angstrom(star: Star) -> None:
    table = read_particles(star(RELION_30))
    pose = table.pose()
    assert table.pixel_size == pytest.approx(2.0)
    assert pose is not None
    assert pose.shift.tolist() == [[-4.0, 2.0], [0.0, -1.0]]


def test_origins_in_pixels_beside_optics_groups_become_angstrom_too(star: Star) -> None:
    text = RELION_31.replace("rlnOriginXAngst", "rlnOriginX").replace("rlnOriginYAngst", "rlnOriginY")
    pose = read_particles(star(text)).pose()
    assert pose is not None
    assert pose.shift[0].tolist() == [-6.0, 3.0]


def test_origins_in_pixels_of_unknown_size_are_refused(star: Star) -> None:
    text = RELION_30.replace("_rlnMagnification #7\n_rlnDetectorPixelSize #8\n", "").replace(" 50000 10", "")
    with pytest.raises(ValueError, match=r"origins are in pixels .rlnOriginX., and no column says how large"):
        read_particles(star(text)).pose()


def test_a_table_without_angles_has_no_pose(star: Star) -> None:
    assert read_particles(star("data_\nloop_\n_rlnImageName\n1@a.mrcs\n")).pose() is None


def test_lines_of_windows_and_a_byte_order_mark_are_read(star: Star, tmp_path: Path) -> None:
    path = tmp_path / "windows.star"
    path.write_bytes(b"\xef\xbb\xbf" + RELION_30.replace("\n", "\r\n").encode())
    assert read_particles(path).data.equals(read_particles(star(RELION_30)).data)


def test_quotes_comments_and_blank_lines_are_understood(star: Star) -> None:
    text = """
    data_t
    loop_
    _rlnMicrographName #1 a comment
    _rlnText
    _rlnNumber

    'two words' "" 1  # a comment
    # another

    d'Or#1.mrc "a 'b'" 2.5
    data_1.mrc x nan
    data_simple
    _rlnOne 'a b'
    _rlnTwo 2
    """
    tables = read_tables(star(text))
    assert tables["t"]["rlnMicrographName"].tolist() == ["two words", "d'Or#1.mrc", "data_1.mrc"]
    assert tables["t"]["rlnText"].tolist() == ["", "a 'b'", "x"]
    np.testing.assert_array_equal(tables["t"]["rlnNumber"], [1, 2.5, np.nan])
    assert tables["simple"].to_dict("records") == [{"rlnOne": "a b", "rlnTwo": 2}]


def test_a_name_of_digits_stays_a_name(star: Star) -> None:
    table = read_tables(star("data_\nloop_\n_rlnMicrographName\n0001\n"))[""]
    assert table["rlnMicrographName"].tolist() == ["0001"]


def test_an_image_without_a_number_is_a_file_of_its_own(star: Star) -> None:
    stacks, places = read_particles(star("data_\nloop_\n_rlnImageName\na.mrc\n2@b.mrc\n")).image_refs()
    assert (stacks, places.tolist()) == (["a.mrc", "b.mrc"], [0, 1])


def sentence(read: Callable[[Path], object], path: Path) -> str:
    with pytest.raises((ValueError, OSError)) as refusal:
        read(path)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def poses(path: Path) -> object:
    return read_particles(path).pose()


def refs(path: Path) -> object:
    return read_particles(path).image_refs()


HEAD = "data_particles\nloop_\n_rlnImageName\n_rlnDefocusU\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "{} is empty: it has no block data_..."),
        ("\n# only a comment\n", "{} is empty: it has no block data_..."),
        ("hello world\n", "{} is not a STAR file: line 1 stands before any line data_..."),
        (HEAD + "1@a.mrcs 1\n2@a.mrcs\n", "{}, line 6: 1 values for 2 columns"),
        (HEAD + "1@a.mrcs 1\n2@a.mrcs 1 2\n", "{}, line 6: 3 values for 2 columns"),
        (HEAD, "{} lists no particle images: its particle table has no rows"),
        (HEAD + "_rlnDefocusU\n1@a.mrcs 1 1\n", "{}: column rlnDefocusU stands twice in one table"),
        (HEAD + "1@a.mrcs 1\n" + HEAD, "{}, line 6: a second block data_particles"),
        (
            "data_a\nloop_\n_rlnImageName\n1@a\ndata_b\nloop_\n_rlnImageName\n1@a\n",
            "{} lists particle images in several blocks: a, b",
        ),
        (RELION_31.replace("\n7 300", "\n8 300"), "{}, row 2: optics group 7 is not in data_optics"),
        (RELION_31.replace("\n7 300", "\n3 200 1.5\n7 300"), "{}: an optics group stands twice in data_optics"),
        (
            RELION_31.replace("_rlnOpticsGroup #1", "_rlnOther #1"),
            "{}: data_optics has no column rlnOpticsGroup",
        ),
    ],
)
def test_a_broken_star_file_is_refused_in_one_sentence(star: Star, text: str, said: str) -> None:
    path = star(text)
    assert sentence(read_particles, path) == said.format(path)


@pytest.mark.parametrize("name", ["a.mrcs@2", "x@a.mrcs", "0@a.mrcs", "1.5@a.mrcs"])
def test_an_image_name_that_is_none_is_refused_with_its_row(star: Star, name: str) -> None:
    path = star(HEAD + f"1@a.mrcs 1\n{name} 1\n")
    assert sentence(refs, path) == f"{path}, row 2: rlnImageName is {name!r}, not NUMBER@STACK"


def test_an_angle_that_is_no_number_is_refused_with_its_row(star: Star) -> None:
    path = star(RELION_31.replace("0 0 0 0 0\n1@b", "0 0 0 nan 0\n1@b"))
    assert sentence(poses, path) == f"{path}, row 2: rlnAngleTilt is nan"


def test_a_binary_file_is_not_a_star_file(tmp_path: Path) -> None:
    (tmp_path / "x.star").write_bytes(bytes(range(256)))
    assert "is not a STAR file: it is not text" in sentence(read_particles, tmp_path / "x.star")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert sentence(read_particles, tmp_path / "gone.star").endswith("gone.star does not exist")
    (tmp_path / "folder.star").mkdir()
    assert sentence(read_particles, tmp_path / "folder.star").endswith("is not a file")


def test_two_pixel_sizes_name_their_rows(star: Star) -> None:
    table: ParticleTable = read_particles(star(RELION_31.replace("3 200 1.5", "3 200 1.6")))
    with pytest.raises(ValueError, match=r"two pixel sizes: 1.6 angstrom in row 1, 1.5 angstrom in row 2;"):
        _ = table.pixel_size
