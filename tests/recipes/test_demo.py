"""`frazil demo`: simulate, reconstruct without the poses, and hold the map against the truth."""

import re
from collections.abc import Callable
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


Demo = Callable[..., Outcome]


@pytest.fixture
def run_demo(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Demo:
    """Runs a demo of 200 images and 2 steps."""

    def run(*options: str) -> Outcome:
        capfd.readouterr()
        code = cli.main(["demo", "--out", str(tmp_path / "demo"), "--images", "200", "--steps", "2", *options])
        printed = capfd.readouterr()
        assert "Traceback" not in printed.err
        return Outcome(code, printed.out, printed.err)

    return run


@pytest.mark.slow
def test_the_demo_prints_the_resolution_against_the_truth_and_the_path_of_its_report(
    run_demo: Demo, tmp_path: Path
) -> None:
    code, out, _ = run_demo()
    folder = tmp_path / "demo"
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
def test_the_same_demo_again_gives_the_same_and_another_one_is_refused(run_demo: Demo, tmp_path: Path) -> None:
    _, out, _ = run_demo()
    maps = tmp_path / "demo" / "run" / "half1.mrc"
    before = maps.read_bytes()
    code, again, _ = run_demo()
    assert code == 0
    figures = [[line for line in said.splitlines() if "truth FSC" in line] for said in (out, again)]
    assert len(figures[0]) == 2
    assert figures[0] == figures[1]
    assert maps.read_bytes() == before
    for options, sentence in (
        (("--images", "300"), "count was 200"),
        (("--seed", "1"), "seed was 0"),
        (("--steps", "3"), "learning.steps was [2] and is now [3]"),
    ):
        code, _, err = run_demo(*options)
        assert code == 1
        assert sentence in err
        assert "choose another folder" in err
    assert maps.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "sentence"), [(("--steps", "0"), "steps must be 1 or more"), (("--images", "0"), "--count must be")]
)
def test_a_demo_of_nothing_is_refused_before_it_simulates(
    run_demo: Demo, tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    code, out, err = run_demo(*options)
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
