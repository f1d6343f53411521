"""`frazil cryogan` in stages: all of them where that is asked for, or only those that the map is good for."""

from pathlib import Path

import pytest

from frazil.io import read_map
from tests.recipes.test_cryogan import Run, config, log

TWO = ["--boxes", "16", "24", "--steps", "2", "2", "--batch-sizes", "8", "8", "--log-every", "1"]


@pytest.mark.slow
def test_stages_go_from_coarse_to_fine_and_end_at_the_finest(data: Path, cryogan: Run, tmp_path: Path) -> None:
    stages = ["--boxes", "16", "24", "48", "--steps", "2", "2", "2", "--batch-sizes", "8", "4", "4"]
    options = [*stages, "--log-every", "1", "--finer", "always"]
    assert cryogan(data, *options)[0] == 0
    out = tmp_path / "run"
    assert config(out)["learning"]["boxes"] == [16, 24, 32]  # the images have 32 pixels
    assert read_map(out / "map.mrc").pixel_size == pytest.approx(6.0)
    assert [line["step"] for line in log(out)] == [1, 2, 3, 4, 5, 6]
    text = (out / "report.html").read_text()
    assert ">16 px</text>" in text
    assert ">24 px</text>" in text
    assert ">32 px</text>" in text


@pytest.mark.slow
def test_a_finer_stage_is_left_out_where_the_halves_do_not_agree_on_what_the_coarser_one_shows(
    data: Path, cryogan: Run, tmp_path: Path
) -> None:
    code, out, _ = cryogan(data, *TWO)
    assert code == 0
    assert "the map holds less than images of 16 px show: finer stages are left out" in out
    assert read_map(tmp_path / "run" / "map.mrc").pixel_size == pytest.approx(12.0)
    assert [line["step"] for line in log(tmp_path / "run")] == [1, 2]
    assert cryogan(data, *TWO)[0] == 0  # again: nothing is left to do
    assert [line["step"] for line in log(tmp_path / "run")] == [1, 2]
