"""Real micrographs are found and read as they are, or refused in a sentence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from frazil.io import ImageStack, StackWriter, write_map
from frazil.io.micrographs import find_micrographs, known_pixel_size, micrograph_stem, read_micrograph


def test_pictures_and_mrc_files_hold_the_same(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.uint16).reshape(3, 4) * 1000
    Image.fromarray(values).save(tmp_path / "a.png")
    # As RELION, IMOD and EMAN2 write it: the last row first.
    Image.fromarray(values[::-1].astype(np.float32)).save(tmp_path / "a.tif")
    write_map(tmp_path / "a.mrc", torch.from_numpy(values.astype(np.float32))[None], 1.5)
    read = [read_micrograph(tmp_path / name) for name in ("a.png", "a.tif", "a.mrc")]
    for micrograph in read:
        assert np.array_equal(micrograph.image.numpy(), values)
    assert [micrograph.pixel_size for micrograph in read] == [None, None, 1.5]
    assert known_pixel_size(tmp_path / "a.mrc", read[2], None) == 1.5
    assert known_pixel_size(tmp_path / "a.png", read[0], 2.0) == 2
    with pytest.raises(ValueError, match=r"a.png: does not say its pixel size; give --pixel-size"):
        known_pixel_size(tmp_path / "a.png", read[0], None)
    with pytest.raises(ValueError, match=r"a.mrc: has pixels of 1.5 angstrom by its own account, --pixel-size says 2"):
        known_pixel_size(tmp_path / "a.mrc", read[2], 2.0)
    assert known_pixel_size(tmp_path / "a.mrc", replace(read[2], pixel_size=1.0), 2.0) == 2  # 1: nobody knows


def test_a_header_s_size_along_z_says_nothing_of_an_image(tmp_path: Path) -> None:
    write_map(tmp_path / "a.mrc", torch.zeros(1, 4, 6), 1.5)
    held = bytearray((tmp_path / "a.mrc").read_bytes())
    held[48:52] = np.float32(0).tobytes()  # the cell's length along z
    (tmp_path / "a.mrc").write_bytes(bytes(held))
    assert read_micrograph(tmp_path / "a.mrc").pixel_size == pytest.approx(1.5)


def test_micrographs_that_are_called_alike_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_map(tmp_path / folder / "1.mrc", torch.zeros(1, 4, 6), 1.5)
    (tmp_path / "both.star").write_text("data_\nloop_\n_rlnMicrographName\na/1.mrc\nb/1.mrc\n")
    with pytest.raises(ValueError, match=r"a/1\.mrc and .*b/1\.mrc: micrographs are known by their names"):
        find_micrographs(tmp_path / "both.star")
    assert micrograph_stem("a.mrc.gz") == "a"


def test_micrographs_are_found_in_a_folder_in_a_table_and_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "micrographs"
    folder.mkdir()
    for name in ("b.png", "a.png"):
        Image.fromarray(np.zeros((3, 4), np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no micrograph")
    assert [path.name for path in find_micrographs(folder)] == ["a.png", "b.png"]
    table = tmp_path / "coordinates.star"
    table.write_text("data_\nloop_\n_rlnMicrographName\n_rlnCoordinateX\nb.png 1\na.png 2\nb.png 3\n")
    assert find_micrographs(table) == [folder / "b.png", folder / "a.png"]
    assert find_micrographs(folder / "a.png") == [folder / "a.png"]


def test_what_is_no_micrograph_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with StackWriter(tmp_path / "frames.mrc", 3, 8, 1.0) as stack:
        stack.write(np.zeros((3, 8, 8), np.float32))
    assert len(ImageStack(tmp_path / "frames.mrc")) == 3
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / "colour.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "named.star").write_text("data_\nloop_\n_rlnMicrographName\nthere.mrc\n")
    (tmp_path / "other.star").write_text("data_\nloop_\n_rlnVoltage\n300\n")
    (tmp_path / "empty").mkdir()
    for name, sentence in {
        "frames.mrc": "holds 3 images; a micrograph is one, its frames added up",
        "colour.png": "is a coloured picture",
        "text.png": "is no picture that can be read",
        "nowhere.mrc": "does not exist",
    }.items():
        with pytest.raises((ValueError, OSError), match=f"{name}: {sentence}|{name} {sentence}"):
            read_micrograph(tmp_path / name)
    for name, sentence in {
        "named.star": "micrograph 1, there.mrc, is neither beside it nor in a folder above",
        "other.star": "has no column rlnMicrographName",
        "empty": "holds no micrographs",
    }.items():
        with pytest.raises((ValueError, OSError), match=f"{name}: {sentence}"):
            find_micrographs(tmp_path / name)


@pytest.mark.data
def test_real_micrographs_are_found_and_read(shared_data: Path) -> None:
    found = find_micrographs(shared_data / "apoferritin_empiar10146" / "micrographs_ctf.star")
    assert len(found) == 11
    image = read_micrograph(found[0]).image
    assert sorted(image.shape) == [1200, 1240]
    assert image.std() > 100
