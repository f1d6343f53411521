"""`frazil demo`: simulate, reconstruct without the poses, and hold the map against the truth."""

import re
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from frazil import cli
from frazil.io import ImageStack, read_map
from frazil.recipes import demo


class Outcome(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


def run_demo(folder: Path, *options: str) -> Outcome:
    """A demo of 200 images and 2 steps."""
    words = ["demo", "--out", str(folder), "--images", "200", "--steps", "2", *options]
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = cli.main(words)
    assert "Traceback" not in err.getvalue()
    return Outcome(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo"


@pytest.fixture(scope="module")
def first(folder: Path) -> Outcome:
    """What the first demo came to."""
    return run_demo(folder)


@pytest.mark.slow
def test_the_demo_prints_the_resolution_against_the_truth_and_the_path_of_its_report(
    first: Outcome, folder: Path
) -> None:
    code, out, _ = first
    assert code == 0
    for name in ("CryoGAN", "refined"):
        found = re.search(rf"{name}: truth FSC = 0.5 at ([\d.]+) angstrom, 0.143 at ([\d.]+) angstrom, [\d.]+ min", out)
        assert found
        # Between Nyquist and the length of the box.
        assert 12 <= float(found[2]) <= float(found[1]) <= 192
    assert (folder / "run" / "refine" / "report.html").is_file()
    assert f"report: {folder}/run/report.html" in out
    assert (folder / "run" / "report.html").is_file()
    assert len(ImageStack(folder / "data" / "particles.mrcs")) == 200
    assert read_map(folder / "run" / "map.mrc").pixel_size == pytest.approx(6.0)


@pytest.mark.slow
def test_the_same_demo_again_gives_the_same_and_another_one_is_refused(first: Outcome, folder: Path) -> None:
    maps = folder / "run" / "half1.mrc"
    before = maps.read_bytes()
    code, again, _ = run_demo(folder)
    assert code == 0
    figures = [[line for line in said.splitlines() if "truth FSC" in line] for said in (first.out, again)]
    assert len(figures[0]) == 2
    assert figures[0] == figures[1]
    assert maps.read_bytes() == before
    for options, sentence in (
        (("--images", "300"), "count was 200"),
        (("--seed", "1"), "seed was 0"),
        (("--steps", "3"), "learning.steps was [2] and is now [3]"),
    ):
        code, _, err = run_demo(folder, *options)
        assert code == 1
        assert sentence in err
        assert "choose another folder" in err
    assert maps.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "sentence"), [(("--steps", "0"), "steps must be 1 or more"), (("--images", "0"), "--count must be")]
)
def test_a_demo_of_nothing_is_refused_before_it_simulates(
    tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    code, out, err = run_demo(tmp_path / "demo", *options)
    assert (code, out) == (1, "")
    assert sentence in err
    assert not (tmp_path / "demo").exists()


def test_the_demo_is_what_it_says_by_default() -> None:
    """2 x 5,000 images of 32 px at 6 angstrom with a lens, 3 % shifts and -5 dB."""
    options = demo.DemoRun()
    images = demo._images(options, Path("data"))
    assert (options.images, images.count) == (10_000, 10_000)
    assert (images.box, images.pixel_size, images.snr_db, images.shift_percent) == (32, 6.0, -5.0, 3.0)
    assert (images.model, images.ctf, images.noise) == ("pseudo-protein", "ranges", "white")
    assert demo._reconstruction(options, Path("data")).learning.boxes == (32,)
