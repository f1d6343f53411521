"""What `frazil cryogan` says of bad input: one sentence each, before any work is lost, nothing half-written."""

import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from frazil import cli
from frazil.data import Particles
from frazil.io import atomic, read_particles, write_particles

BOX, COUNT = 32, 300
Run = Callable[..., tuple[int, str, str]]
Refused = Callable[..., str]


def change_star(folder: Path, change: Callable[[str], str]) -> None:
    path = folder / "particles.star"
    path.write_text(change(path.read_text()))


def spoil_image(folder: Path, place: int, value: float) -> None:
    """Give all pixels of the image at `place`, counted from 0, one value."""
    with mrcfile.open(folder / "particles.mrcs", mode="r+") as stack:
        stack.data[place] = value


def test_a_star_file_that_is_not_there(data: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert cli.main(["cryogan", str(data / "nothing.star"), "--out", str(out)]) == 1
    assert capfd.readouterr().err == f"frazil: error: {data}/nothing.star does not exist\n"
    assert not out.exists()


def test_a_stack_that_is_missing(copied: Path, refused: Refused) -> None:
    (copied / "particles.mrcs").unlink()
    assert "particles.star, row 1: stack particles.mrcs is missing (1 of 1 stacks are" in refused(copied)


def test_a_stack_that_is_truncated(copied: Path, refused: Refused) -> None:
    stack = copied / "particles.mrcs"
    os.truncate(stack, stack.stat().st_size - 100)
    sentence = refused(copied)
    assert str(stack) in sentence
    assert re.search(r"truncated|cut|short|bytes", sentence)


def test_more_rows_than_images(copied: Path, refused: Refused) -> None:
    images = mrcfile.read(copied / "particles.mrcs")
    with mrcfile.new(copied / "particles.mrcs", images[:-10], overwrite=True) as stack:
        stack.set_image_stack()
        stack.voxel_size = 6.0
    assert f"{copied}/particles.star: 300 rows, but {copied}/particles.mrcs holds 290 images" in refused(copied)


def test_two_pixel_sizes_in_the_table(copied: Path, refused: Refused) -> None:
    table = read_particles(copied / "particles.star")
    optics = table.optics.iloc[[0, 0]].assign(rlnOpticsGroup=[1, 2], rlnImagePixelSize=[6.0, 5.0])
    data = table.data.assign(rlnOpticsGroup=[1] * 200 + [2] * 100, rlnImagePixelSize=[6.0] * 200 + [5.0] * 100)
    write_particles(copied / "particles.star", type(table)(table.path, data, optics.reset_index(drop=True)))
    assert "has two pixel sizes: 6 angstrom in row 1, 5 angstrom in row 201" in refused(copied)


def test_two_pixel_sizes_in_table_and_stack(copied: Path, refused: Refused) -> None:
    with mrcfile.open(copied / "particles.mrcs", mode="r+") as stack:
        stack.voxel_size = 4.0
    assert "two pixel sizes: 6 angstrom by" in refused(copied)


@pytest.mark.parametrize("column", ["rlnDefocusU", "rlnVoltage"])
def test_no_ctf_columns_and_the_way_out_is_offered(copied: Path, refused: Refused, column: str) -> None:
    change_star(copied, lambda text: text.replace(f"_{column} ", f"_{column}Lost "))
    sentence = refused(copied)
    assert "particles.star has no CTF" in sentence
    assert f"column {column} is missing" in sentence
    assert "--no-ctf" in sentence


def test_images_that_are_not_square(copied: Path, refused: Refused) -> None:
    with mrcfile.new(copied / "particles.mrcs", np.zeros((COUNT, 30, BOX), np.float32), overwrite=True) as stack:
        stack.set_image_stack()
        stack.voxel_size = 6.0
    assert "images are 32 x 30 pixels, but particle images must be square" in refused(copied)


@pytest.mark.parametrize("place", [0, 137, 299])
@pytest.mark.parametrize(
    ("value", "what"), [(0.0, "is constant"), (np.nan, "holds NaN or infinite"), (np.inf, "holds NaN or infinite")]
)
def test_one_image_that_is_constant_or_nan_is_named_before_the_first_step(
    copied: Path, refused: Refused, place: int, value: float, what: str
) -> None:
    spoil_image(copied, place, value)
    assert f"image {place + 1:06d}@particles.mrcs {what}" in refused(copied)


def test_a_bad_image_is_found_too_where_the_images_do_not_fit_into_memory(
    copied: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    from frazil.data import kept_images, surroundings

    monkeypatch.setattr(kept_images, "room_for_images", lambda: 0)
    monkeypatch.setattr(surroundings, "_SAMPLE", 10)
    spoil_image(copied, 201, 0.0)
    assert "image 000202@particles.mrcs is constant" in refused(copied)


def test_a_box_smaller_than_the_shifts(data: Path, refused: Refused) -> None:
    sentence = refused(data, "--shift-percent", "20")
    assert "a particle of 144 angstrom that is shifted by up to 38.4 leaves its box of 192" in sentence
    assert "--diameter" in sentence
    assert "--shift-percent" in sentence


def test_a_diameter_larger_than_the_box(data: Path, refused: Refused) -> None:
    assert "no particle of 200 angstrom in diameter has room in a box of 192" in refused(data, "--diameter", "200")


def test_a_negative_shift(data: Path, refused: Refused) -> None:
    assert "--shift-percent must not be negative, it is -3" in refused(data, "--shift-percent", "-3")


@pytest.mark.parametrize("name", ["Q7", "C0", "D", "I5", ""])
def test_an_unknown_symmetry_is_refused_before_any_image_is_read(
    data: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(Particles, "images", lambda *_: pytest.fail("an image was read"))
    sentence = refused(data, "--symmetry", name, "--contrast", "auto")
    assert f"unknown symmetry '{name}': use C1, C4, D7, T, O, or I1 to I4, as in RELION" in sentence


def test_too_few_images_for_the_contrast_to_be_measured(copied: Path, refused: Refused) -> None:
    table = read_particles(copied / "particles.star").select(range(10))
    write_particles(copied / "particles.star", table)
    sentence = refused(copied, "--contrast", "auto")
    assert (
        "10 images do not tell whether protein is dark or light; give --contrast dark or --contrast light" in sentence
    )


def test_half_sets_of_which_one_is_empty(copied: Path, refused: Refused) -> None:
    table = read_particles(copied / "particles.star").select([0])
    del table.data["rlnRandomSubset"]
    write_particles(copied / "particles.star", table)
    assert re.search(r"half set [12] is empty; two halves are needed", refused(copied))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--max-minutes", "0"), "--max-minutes must be positive, it is 0"),
        (("--log-every", "0"), "--log-every must be positive, it is 0"),
        (("--box", "0"), "--box must be 8 or more, not 0"),
    ],
)
def test_a_number_that_makes_no_sense(data: Path, refused: Refused, option: tuple[str, ...], words: str) -> None:
    assert words in refused(data, *option)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--boxes", "16", "24"), "each stage needs its own number"),
        (("--boxes", "2"), "boxes must be 8 or more, not (2,)"),
        (("--steps", "0"), "steps must be 1 or more, not (0,)"),
        (("--batch-sizes", "-8"), "batch_sizes must be 1 or more, not (-8,)"),
        (("--critic-steps", "0"), "critic_steps must be 1 or more, not 0"),
        (("--averaging", "1.5"), "averaging must be less than 1, not 1.5"),
        (("--final-rate", "-1"), "final_rate must be 0 or more, not -1.0"),
        (("--penalty-weight", "nan"), "penalty_weight must be 0 or more, not nan"),
        (("--shift-percent", "three"), "three"),
    ],
)
def test_an_option_that_makes_no_sense_is_a_misuse(
    data: Path,
    cryogan: Run,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    option: tuple[str, ...],
    words: str,
) -> None:
    with pytest.raises(SystemExit) as stop:
        cryogan(data, *option)
    assert stop.value.code == 2
    printed = capfd.readouterr()
    said = " ".join((printed.out + printed.err).replace("│", " ").split())
    assert words in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["tpu", "cuda:99"])
def test_a_device_that_is_not_there(data: Path, refused: Refused, name: str) -> None:
    assert refused(data, "--device", name).startswith(f"frazil: error: device '{name}'")


def test_a_word_that_is_no_option(data: Path, cryogan: Run, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        cryogan(data, "--symetry", "C2")
    assert stop.value.code == 2
    assert not (tmp_path / "run").exists()


# --- the output folder, the disk, the keyboard ------------------------------------------------------------------------


def test_an_output_folder_with_something_else_in_it(data: Path, cryogan: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "thesis.tex").write_text("years")
    code, _, err = cryogan(data)
    assert (code, err) == (1, f"frazil: error: {out}: holds thesis.tex but no run of frazil; choose another folder\n")
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


def test_an_output_that_is_a_file(data: Path, cryogan: Run, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    code, _, err = cryogan(data)
    assert code == 1
    assert "is a file; give a folder for the run" in err
    assert (tmp_path / "run").read_text() == "a file"


def test_an_output_folder_of_another_command(data: Path, cryogan: Run) -> None:
    """The simulation's own folder: its config.json is another run's."""
    before = {path: path.stat().st_mtime_ns for path in data.iterdir()}
    code, _, err = cryogan(data, out=data)
    assert code == 1
    assert "choose another folder" in err
    assert {path: path.stat().st_mtime_ns for path in data.iterdir()} == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_disk_too_full_for_a_checkpoint_is_one_sentence_and_the_same_command_goes_on(
    data: Path, cryogan: Run, tmp_path: Path
) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        code, out, err = cryogan(data, "--max-minutes", "1e-9")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (code, out) == (1, "")
    assert re.search(r"error: .*step_00000001.pt could not be written: File too large", err)
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []
    assert cryogan(data, "--max-minutes", "1e-9")[0] == 0


@pytest.mark.slow
def test_a_disk_too_full_for_the_maps_leaves_none_half_written_and_keeps_the_run(
    data: Path, cryogan: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).suffix == ".mrc":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "replace", full)
        code, _, err = cryogan(data, "--max-minutes", "1e-9")
    run = tmp_path / "run"
    assert code == 1
    assert f"frazil: error: {run}/half1.mrc could not be written: No space left on device" in err
    assert {path.name for path in run.iterdir()} == {"config.json", "log.jsonl", "checkpoints", "tensorboard"}
    assert cryogan(data, "--max-minutes", "1e-9")[0] == 0
    assert (run / "half1.mrc").is_file()


def test_ctrl_c_while_the_images_are_read_leaves_nothing(
    data: Path, cryogan: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Particles, "images", interrupted)
    code, out, err = cryogan(data)
    assert (code, out, err) == (130, "", "frazil: interrupted\n")
    assert not (tmp_path / "run").exists()
