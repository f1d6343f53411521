"""Each example runs as a person starts it, at tiny size, and what it says it made is there."""

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.image import imread

from frazil.io import ImageStack

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TINY = {"01_simulate.py": ["--images", "64"], "02_reconstruct.py": ["--steps", "1"], "gan_lesson.py": ["--steps", "3"]}
Example = Callable[..., str]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Example:
    """Runs an example as a script in an empty folder: what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, *options: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *TINY[name], *options])
        capfd.readouterr()
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capfd.readouterr().out

    return run


def test_every_example_is_run_here() -> None:
    assert sorted(TINY) == sorted(path.name for path in EXAMPLES.glob("*.py"))


@pytest.mark.slow
def test_the_examples_follow_on_one_another_without_a_word_of_where(example: Example) -> None:
    simulated = example("01_simulate.py")
    assert re.search(r"agree to [\d.]+ angstrom", simulated)
    assert Path("runs/particles/images.png").stat().st_size > 1000
    assert len(ImageStack(Path("runs/particles/particles.mrcs"))) == 64
    reconstructed = example("02_reconstruct.py")
    found = re.search(r"against the truth: FSC 0.5 at ([\d.]+) angstrom", reconstructed)
    assert found
    assert 12 <= float(found[1]) <= 192  # between Nyquist and the length of the box
    for name in ("map.mrc", "half1.mrc", "half2.mrc", "report.html"):
        assert Path("runs/map", name).is_file()


def test_the_first_example_again_leaves_the_files_and_makes_noisier_ones_elsewhere(example: Example) -> None:
    example("01_simulate.py", "--out", "here")
    before = Path("here/particles.mrcs").read_bytes()
    example("01_simulate.py", "--out", "here")
    assert Path("here/particles.mrcs").read_bytes() == before
    example("01_simulate.py", "--out", "there", "--snr-db", "-15")
    assert Path("there/particles.mrcs").read_bytes() != before


def test_the_lesson_draws_64_digits_and_goes_on_where_it_stopped(example: Example) -> None:
    assert "runs/digits/digits.png" in example("gan_lesson.py")
    first = Path("runs/digits/digits.png").read_bytes()
    assert imread("runs/digits/digits.png").shape[:2] == (640, 640)
    example("gan_lesson.py")
    assert Path("runs/digits/digits.png").read_bytes() == first


@pytest.mark.parametrize("name", TINY)
def test_an_example_says_how_it_is_started_and_what_its_options_are(
    name: str, example: Example, capfd: pytest.CaptureFixture[str]
) -> None:
    said = (EXAMPLES / name).read_text().split('"""')[1]
    with pytest.raises(SystemExit) as stop:
        example(name, "--help")
    assert stop.value.code == 0
    helped = capfd.readouterr().out
    assert f"python examples/{name} " in said
    for option in re.findall(r"\[(--[\w-]+)", said):
        assert option in helped
