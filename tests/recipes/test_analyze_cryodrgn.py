"""A run of cryoDRGN, looked at otherwise."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from frazil import cli
from frazil.io import read_particles, read_record, write_record
from frazil.recipes.cryodrgn import load
from frazil.recipes.results.cryodrgn_results import Analysis


@pytest.fixture
def run(cryodrgn_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cryodrgn_run, tmp_path / "run"))


@pytest.mark.slow
def test_a_run_is_looked_at_otherwise(run: Path) -> None:
    (run / "volumes" / "my_own.mrc").touch()
    words = ["--clusters", "3", "--axes", "1", "--steps", "4", "--way", "1", "9", "--colours", "rlnOriginXAngst"]
    assert cli.main(["cryodrgn-analyze", str(run), "--no-umap", *words]) == 0
    names = sorted(path.stem for path in (run / "volumes").iterdir())
    names.remove("my_own")
    names.remove("volumes")
    assert [name for name in names if not name.startswith("way")] == [
        *(f"axis1_{number:02d}" for number in range(1, 5)),
        *(f"cluster_{number:02d}" for number in range(1, 4)),
    ]
    assert "way_01" in names
    told, table = pd.read_csv(run / "volumes" / "volumes.csv"), read_particles(run / "particles.star")
    assert sorted(told["file"].str.removesuffix(".mrc")) == names
    assert told["row"].isna().tolist() == told["file"].str.startswith("axis").tolist()
    first = told[told["file"] == "cluster_01.mrc"].iloc[0]
    of_row = table.numbers("frazilLatent1")[int(first["row"]) - 1]
    assert first["frazilLatent1"] == pytest.approx(of_row, abs=1e-5)
    assert table.numbers("frazilCluster")[int(first["row"]) - 1] == 1
    assert set(read_particles(run / "particles.star").numbers("frazilCluster")) == {1, 2, 3}
    page = (run / "report.html").read_text()
    assert "rlnOriginXAngst" in page
    assert "From neighbour to neighbour" in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--clusters", "0"], "--clusters must be 1 or more, not 0"),
        (["--way", "3"], "--way needs two images or more"),
        (["--way", "3", "3"], "--way needs two images or more, each another than the one before"),
        (["--way", "1", "65"], "--way 65: there are images 1 to 64"),
        (["--colours", "rlnNothing"], "no column rlnNothing"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    run: Path, words: list[str], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (run / "report.html").read_bytes()
    assert cli.main(["cryodrgn-analyze", str(run), *words]) == 1
    assert sentence in capfd.readouterr().err
    assert (run / "report.html").read_bytes() == before


def test_a_run_without_latents_has_none_to_look_at_otherwise(run: Path) -> None:
    particles = load(run)[1]
    Analysis().check(particles, 0)
    with pytest.raises(ValueError, match="--latent-dim 0 has one volume and no latents to look at otherwise"):
        Analysis(clusters=3).check(particles, 0)


@pytest.mark.slow
def test_a_page_is_as_new_as_the_checkpoint_that_it_shows(run: Path) -> None:
    assert cli.main(["cryodrgn-analyze", str(run), "--no-umap", "--no-settle"]) == 0
    page, table = ((run / name).stat().st_mtime_ns for name in ("report.html", "particles.star"))
    assert page < table  # what is stored while the analysis is made is newer


def test_a_particle_file_that_has_changed_is_refused(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    record = read_record(run / "config.json")
    table = next(path for path in record["inputs"] if path.endswith(".star"))
    write_record(run / "config.json", {**record, "inputs": {**record["inputs"], table: "what it was"}})
    assert cli.main(["cryodrgn-analyze", str(run)]) == 1
    assert "particles.star: is not what it was when the run in" in capfd.readouterr().err
