"""`frazil cryogan` from a STAR file to a report, at tiny size."""

import csv
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from frazil import cli
from frazil.data import HalfSets, Particles
from frazil.io import read_map, read_particles, write_particles
from frazil.recipes import cryogan as recipe

Run = Callable[..., tuple[int, str, str]]
AT_ONCE = "--max-minutes", "1e-9"
EXPORTS = ["fsc.csv", "half1.mrc", "half2.mrc", "map.mrc", "particles.star", "report.html"]


@pytest.fixture(scope="module")
def calm(data: Path, tiny_options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("calm") / "run"
    assert cli.main(["cryogan", str(data / "particles.star"), "--out", str(out), *tiny_options]) == 0
    return out


def config(out: Path) -> dict[str, Any]:
    return json.loads((out / "config.json").read_text())["config"]


def log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def density(path: Path) -> bytes:
    return read_map(path).volume.numpy().tobytes()


def same_maps(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in ("half1.mrc", "half2.mrc"))


# --- a complete run ---------------------------------------------------------------------------------------------------


def test_a_run_leaves_its_maps_tables_log_checkpoint_and_report(calm: Path) -> None:
    assert {path.name for path in calm.iterdir()} == {
        *EXPORTS,
        "config.json",
        "log.jsonl",
        "checkpoints",
        "tensorboard",
    }
    assert [path.name for path in (calm / "checkpoints").iterdir()] == ["step_00000004.pt"]
    assert log(calm)[-1]["step"] == 4
    assert {"critic_distance", "half_map_resolution", "elapsed"} <= set(log(calm)[-1])


@pytest.mark.parametrize("name", ["half1.mrc", "half2.mrc", "map.mrc"])
def test_the_maps_carry_their_voxel_size(calm: Path, name: str) -> None:
    written = read_map(calm / name)
    assert written.pixel_size == pytest.approx(6.0)
    assert written.volume.shape == (32, 32, 32)
    assert bool(torch.isfinite(written.volume).all())


def test_the_half_maps_are_independent(calm: Path) -> None:
    first, second = (read_map(calm / name).volume for name in ("half1.mrc", "half2.mrc"))
    assert first.std() > 0
    assert not torch.equal(first, second)


def test_the_fsc_table_has_a_row_for_each_shell(calm: Path) -> None:
    rows = list(csv.DictReader((calm / "fsc.csv").read_text().splitlines()))
    assert len(rows) == 17
    assert float(rows[-1]["resolution"]) == pytest.approx(12.0)


def test_the_particles_come_back_with_their_half_sets_and_still_find_their_images(calm: Path, data: Path) -> None:
    before, after = read_particles(data / "particles.star"), read_particles(calm / "particles.star")
    assert after.data["rlnRandomSubset"].tolist() == before.data["rlnRandomSubset"].tolist()
    assert after.data["rlnDefocusU"].tolist() == before.data["rlnDefocusU"].tolist()
    stacks, places = after.image_refs()
    assert {Path(stack).resolve() for stack in stacks} == {(data / "particles.mrcs").resolve()}
    assert places.tolist() == list(range(300))


@pytest.mark.slow
def test_half_sets_that_a_table_lacks_are_drawn_and_written(copied: Path, cryogan: Run, tmp_path: Path) -> None:
    table = read_particles(copied / "particles.star")
    del table.data["rlnRandomSubset"]
    write_particles(copied / "particles.star", table)
    assert cryogan(copied, *AT_ONCE)[0] == 0
    half = read_particles(tmp_path / "run" / "particles.star").data["rlnRandomSubset"]
    assert sorted(half) == [1] * 150 + [2] * 150
    assert half.tolist() != table.data.index.map(lambda place: place % 2 + 1).tolist()


def test_the_report_opens_offline_and_names_the_command(calm: Path, data: Path) -> None:
    text = (calm / "report.html").read_text()
    assert "http" not in text.split("<body")[1].split("xmlns")[0]
    assert str(data / "particles.star") in text
    for section in ("Map", "Resolution", "Images", "Progress", "How to repeat it"):
        assert f"<h2>{section}</h2>" in text


def test_the_configuration_holds_every_number_that_made_the_maps(calm: Path) -> None:
    stored = config(calm)
    assert stored["learning"]["boxes"] == [32]
    assert stored["learning"]["steps"] == [4]
    assert stored["learning"]["symmetry"] == "C1"
    assert set(stored["learning"]) == set(vars(recipe.CryoGANConfig()))


# --- the same command again -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_command_in_another_folder_gives_the_same_bytes(
    calm: Path, data: Path, cryogan: Run, tmp_path: Path
) -> None:
    assert cryogan(data)[0] == 0
    assert same_maps(calm, tmp_path / "run")
    for name in ("map.mrc", "fsc.csv", "particles.star"):
        assert (calm / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


@pytest.mark.slow
def test_a_run_stopped_by_the_clock_has_maps_and_goes_on_to_the_same_end(
    calm: Path, data: Path, cryogan: Run, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    code, printed, _ = cryogan(data, *AT_ONCE)
    assert code == 0
    assert "stopped as --max-minutes asks; the same command goes on" in printed
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step_00000001.pt"]
    assert all((out / name).is_file() for name in EXPORTS)
    assert not same_maps(calm, out)
    code, printed, _ = cryogan(data)
    assert code == 0
    assert "the same command" not in printed
    assert same_maps(calm, out)
    # ... and once more has nothing to do but to write what is missing of its results.
    written = (out / "map.mrc").stat().st_mtime_ns
    assert "learnt before, its maps are there" in cryogan(data)[1]
    assert (out / "map.mrc").stat().st_mtime_ns == written
    (out / "half1.mrc").unlink()
    stamp = (out / "checkpoints" / "step_00000004.pt").stat().st_mtime_ns
    assert cryogan(data)[0] == 0
    assert same_maps(calm, out)
    assert (out / "checkpoints" / "step_00000004.pt").stat().st_mtime_ns == stamp
    assert [line["step"] for line in log(out)] == [4]


@pytest.mark.slow
def test_ctrl_c_keeps_a_checkpoint_exits_with_130_and_goes_on_to_the_same_end(
    calm: Path, data: Path, cryogan: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, original = tmp_path / "run", HalfSets.images
    batches: list[int] = []

    def images(self: HalfSets, *arguments: Any) -> torch.Tensor:
        batches.append(1)
        if len(batches) == 3:  # in the second step: two halves take one batch each
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *arguments)

    monkeypatch.setattr(HalfSets, "images", images)
    code, printed, err = cryogan(data)
    assert (code, printed) == (130, "")
    assert err.splitlines()[-1] == "frazil: stopped after step 2 of 4; run it again to go on"
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step_00000002.pt"]
    assert not any((out / name).exists() for name in EXPORTS)
    assert cryogan(data)[0] == 0
    assert same_maps(calm, out)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--seed", "1"), "seed was 0 and is now 1"),
        (("--symmetry", "C2"), "learning.symmetry was 'C1' and is now 'C2'"),
        (("--steps", "5"), r"learning.steps was \[4\] and is now \[5\]"),
        (("--no-ctf",), "no_ctf was False and is now True"),
        (("--diameter", "100"), "diameter was None and is now 100.0"),
    ],
)
def test_another_configuration_in_the_same_folder_is_refused_naming_the_field(
    calm: Path,
    data: Path,
    tiny_options: list[str],
    capfd: pytest.CaptureFixture[str],
    option: tuple[str, ...],
    sentence: str,
) -> None:
    before = {path: path.stat().st_mtime_ns for path in calm.rglob("*")}
    words = ["cryogan", str(data / "particles.star"), "--out", str(calm), *tiny_options, *option]
    assert cli.main(words) == 1
    assert re.search(rf"error: .*{sentence}.*choose another folder", capfd.readouterr().err)
    assert {path: path.stat().st_mtime_ns for path in calm.rglob("*")} == before


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_images_without_a_lens_are_reconstructed_with_no_ctf(copied: Path, cryogan: Run, tmp_path: Path) -> None:
    table = read_particles(copied / "particles.star")
    for column in [name for name in table.data if "Defocus" in name]:
        del table.data[column]
    write_particles(copied / "particles.star", table)
    assert cryogan(copied, "--no-ctf", *AT_ONCE)[0] == 0
    assert config(tmp_path / "run")["no_ctf"] is True


@pytest.mark.slow
def test_the_paper_preset_is_the_published_recipe_at_the_box_asked_for(
    data: Path, cryogan: Run, tmp_path: Path
) -> None:
    options = ["--preset", "paper", "--box", "16", "--boxes", "16", "--steps", "2", "--batch-sizes", "8"]
    assert cryogan(data, *options, *AT_ONCE)[0] == 0
    used = config(tmp_path / "run")["learning"]
    published = recipe.published_recipe(16, 150)
    for name in ("adversary", "penalty_weight", "volume_rate", "critic_rate", "negativity", "smoothing"):
        assert used[name] == getattr(published, name)
    assert used["adversary"] == "wasserstein-per-pixel"
    assert used["views"] == []
    assert used["steps"] == [2]
    assert read_map(tmp_path / "run" / "half1.mrc").pixel_size == pytest.approx(12.0)


@pytest.mark.slow
def test_an_option_on_the_command_line_overrides_the_preset_also_where_it_equals_the_default(
    data: Path, cryogan: Run, tmp_path: Path
) -> None:
    assert cryogan(data, "--preset", "paper", "--penalty_weight", "4", "--adversary=wasserstein", *AT_ONCE)[0] == 0
    used = config(tmp_path / "run")["learning"]
    assert [used[name] for name in ("penalty_weight", "adversary", "views")] == [4.0, "wasserstein", []]


@pytest.mark.slow
def test_a_run_in_a_symmetry_gives_maps_of_that_symmetry(data: Path, cryogan: Run, tmp_path: Path) -> None:
    assert cryogan(data, "--symmetry", "c2", *AT_ONCE)[0] == 0
    volume = read_map(tmp_path / "run" / "half1.mrc").volume[:, 1:, 1:]
    torch.testing.assert_close(volume, volume.flip(1, 2), rtol=0, atol=1e-4 * float(volume.std()))


def test_images_are_read_once_for_a_box_and_not_again_by_a_finished_run(
    calm: Path, data: Path, tiny_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []
    original = Particles.load

    def load(self: Particles, box: int | None = None) -> torch.Tensor:
        loaded.append(len(self))
        return original(self, box)

    monkeypatch.setattr(Particles, "load", load)
    assert cli.main(["cryogan", str(data / "particles.star"), "--out", str(calm), *tiny_options]) == 0
    assert loaded == [150, 150]  # for the noise


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["cryogan", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for option in ("--out", "--preset", "--no-ctf", "--symmetry", "--boxes", "--max-minutes", "--adversary"):
        assert option in text
    assert "--no-no-ctf" not in text
