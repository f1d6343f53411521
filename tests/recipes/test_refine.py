"""`frazil refine` as a user starts it: from a rough map to poses that RELION reads."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from frazil import cli
from frazil.geometry import rotation_angle
from frazil.io import read_map, read_particles, write_map
from frazil.metrics import fourier_shell_correlation, truth_fsc
from frazil.physics import low_pass

FILES = {"half1.mrc", "half2.mrc", "map.mrc", "fsc.csv", "particles.star", "report.html", "config.json", "log.jsonl"}


@pytest.fixture(scope="module")
def start(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The true map at 40 angstrom, of another contrast."""
    truth = read_map(data / "truth.mrc")
    path = tmp_path_factory.mktemp("start") / "start.mrc"
    write_map(path, 7 * low_pass(truth.volume, truth.pixel_size, 40.0), truth.pixel_size)
    return path


@pytest.fixture(scope="module")
def run(data: Path, start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("refined") / "run"
    assert cli.main(command(data, start, out)) == 0
    return out


def command(data: Path, start: Path, out: Path, *options: str) -> list[str]:
    words = [
        "refine",
        str(data / "particles.star"),
        "--reference",
        str(start),
        "--out",
        str(out),
        "--contrast",
        "light",
    ]
    return [*words, "--diameter", "115", "--device", "cpu", "--iterations", "2", *options]


def test_a_run_leaves_maps_poses_and_a_report(run: Path) -> None:
    assert {path.name for path in run.iterdir() if path.is_file()} >= FILES
    page = (run / "report.html").read_text()
    assert "Half-map resolution" in page
    assert "Certainty" in page


def test_the_half_maps_on_file_are_those_whose_agreement_the_log_tells(run: Path) -> None:
    first, second = (read_map(run / f"half{half}.mrc") for half in (1, 2))
    fsc = fourier_shell_correlation(first.volume, second.volume, first.pixel_size)
    told = json.loads((run / "log.jsonl").read_text().splitlines()[-1])["half_map_resolution"]
    assert fsc.resolution(0.143) == pytest.approx(told, rel=0.03)  # of rounding beyond the last shell


def test_the_map_is_finer_than_what_it_started_from(data: Path, start: Path, run: Path) -> None:
    truth = read_map(data / "truth.mrc")

    def resolution(path: Path) -> float:
        return fourier_shell_correlation(read_map(path).volume, truth.volume, truth.pixel_size).resolution(0.5)

    assert resolution(run / "map.mrc") < 20


def test_the_table_holds_the_poses_of_the_images_in_their_order(data: Path, run: Path) -> None:
    true, found = read_particles(data / "particles.star"), read_particles(run / "particles.star")
    assert [name.split("@")[0] for name in found.data["rlnImageName"]] == [
        name.split("@")[0] for name in true.data["rlnImageName"]
    ]
    one, other = true.pose(), found.pose()
    assert one is not None
    assert other is not None
    assert float(rotation_angle(one.rotation, other.rotation).median()) < 6
    assert float((one.shift - other.shift).norm(dim=1).median()) < 3
    certainty = found.numbers("rlnMaxValueProbDistribution")
    assert ((certainty > 0) & (certainty <= 1)).all()
    assert np.isfinite(found.numbers("rlnLogLikeliContribution")).all()


def test_the_halves_of_the_table_are_kept(data: Path, run: Path) -> None:
    true, found = read_particles(data / "particles.star"), read_particles(run / "particles.star")
    assert (true.numbers("rlnRandomSubset") == found.numbers("rlnRandomSubset")).all()


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_as_if_it_had_not(data: Path, start: Path, run: Path, tmp_path: Path) -> None:
    assert cli.main(command(data, start, tmp_path / "run", "--max-minutes", "1e-9")) == 0
    assert cli.main(command(data, start, tmp_path / "run")) == 0
    for name in ("half1", "half2", "map"):
        one, other = (read_map(folder / f"{name}.mrc").volume for folder in (run, tmp_path / "run"))
        assert torch.equal(one, other)


@pytest.mark.slow
def test_a_run_stopped_before_the_halves_part_claims_no_resolution_and_then_goes_on(
    data: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annealing = ["--symmetry", "O", "--anneal", "2"]
    assert cli.main(command(data, start, tmp_path / "run", *annealing, "--max-minutes", "1e-9")) == 0
    said = capsys.readouterr().out
    assert "the same command goes on" in said
    assert "resolution" not in said
    assert not list((tmp_path / "run").glob("*.mrc"))
    assert cli.main(command(data, start, tmp_path / "run", *annealing)) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert ">Log-evidence while annealing</text>" in page
    assert ">halves apart</text>" in page


@pytest.mark.slow
def test_poses_in_the_table_are_a_start_for_each_half(data: Path, run: Path, tmp_path: Path) -> None:
    words = ["refine", str(data / "particles.star"), "--out", str(tmp_path / "run"), "--contrast", "light"]
    words += ["--diameter", "115", "--device", "cpu", "--iterations", "1", "--from-poses"]
    assert cli.main(words) == 0
    poses = [read_particles(path).pose() for path in (data / "particles.star", tmp_path / "run" / "particles.star")]
    assert poses[0] is not None
    assert poses[1] is not None
    assert float(rotation_angle(poses[0].rotation, poses[1].rotation).median()) < 8


def test_an_empty_map_is_no_start(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_map(tmp_path / "empty.mrc", torch.full((8, 8, 8), 0.5), 6.0)
    assert cli.main(command(data, tmp_path / "empty.mrc", tmp_path / "run")) == 1
    assert "empty.mrc: the map is empty, the same in each voxel" in capsys.readouterr().err


def test_a_stack_of_images_is_no_start(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_map(tmp_path / "stack.mrcs", torch.randn(5, 8, 8), 6.0)
    assert cli.main(command(data, tmp_path / "stack.mrcs", tmp_path / "run")) == 1
    sentence = "stack.mrcs: a map must be a cube, but this one has 5 x 8 x 8 voxels (z y x)"
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--reference", "nowhere.mrc"], "nowhere.mrc"),
        (["--symmetry", "X9"], "unknown symmetry 'X9'"),
        (["--from-poses"], "a refinement starts from --reference or --from-poses, not from both"),
        (["--diameter", "200"], "no particle of 200 angstrom in diameter has room in a box of 192"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    data: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert cli.main(command(data, start, tmp_path / "run", *options)) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_without_a_map_the_images_settle_on_a_shape_and_the_halves_refine_it(data: Path, tmp_path: Path) -> None:
    words = ["simulate", "particles", "pseudo-protein", "--out", str(tmp_path / "images"), "--box", "24"]
    assert cli.main([*words, "--pixel-size", "8", "--count", "1500", "--snr-db", "-3", "--ctf", "none"]) == 0
    star, out = str(tmp_path / "images" / "particles.star"), tmp_path / "run"
    words = ["refine", star, "--out", str(out), "--contrast", "light", "--diameter", "120", "--no-ctf"]
    assert cli.main([*words, "--device", "cpu", "--iterations", "4"]) == 0
    truth = read_map(tmp_path / "images" / "truth.mrc")
    assert truth_fsc(read_map(out / "map.mrc"), truth).resolution(0.5) < 24
