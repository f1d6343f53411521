"""A run folder is taken up by the run that made it, and by no other."""

import subprocess
import sys
from pathlib import Path

import pytest

from frazil.training import RunFolder


def test_the_same_configuration_resumes(tmp_path):
    for _ in range(2):
        run = RunFolder.open(tmp_path / "run", {"seed": 1, "boxes": (32, 48), "critic": {"width": 64}})
    assert run.record()["config"] == {"seed": 1, "boxes": [32, 48], "critic": {"width": 64}}
    assert len(run.record()["starts"]) == 2


def test_another_configuration_is_refused_with_the_fields_that_differ(tmp_path):
    RunFolder.open(tmp_path, {"seed": 1, "symmetry": "C1", "critic": {"width": 64}, "box": 32})
    (tmp_path / "log.jsonl").touch()
    with pytest.raises(ValueError, match="another configuration") as refusal:
        RunFolder.open(tmp_path, {"seed": 2, "symmetry": "C1", "critic": {"width": 96}, "ctf": False})
    sentence = str(refusal.value)
    for words in (
        "seed was 1 and is now 2",
        "critic.width was 64 and is now 96",
        "box was 32 and is now unset",
        "ctf was unset and is now False",
    ):
        assert words in sentence
    assert "symmetry" not in sentence


@pytest.mark.parametrize("field", ["device", "max_minutes", "log_every", "workers"])
def test_a_field_that_does_not_change_the_result_may_differ(tmp_path, field):
    RunFolder.open(tmp_path, {"seed": 1, field: 1})
    assert RunFolder.open(tmp_path, {"seed": 1, field: 2}).record()["config"][field] == 2


def test_the_same_file_from_another_folder_is_the_same_configuration(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    RunFolder.open(tmp_path / "run", {"particles": Path("sub/a.star")})
    monkeypatch.chdir(tmp_path / "sub")
    RunFolder.open(tmp_path / "run", {"particles": Path("a.star")})


A, B = Path("/data/a.star"), Path("/data/b.mrcs")


def test_a_run_goes_on_with_the_inputs_it_began_with(tmp_path):
    for _ in range(2):
        run = RunFolder.open(tmp_path, {}, {A: "1", B: "2"})
    assert run.record()["inputs"] == {"/data/a.star": "1", "/data/b.mrcs": "2"}


@pytest.mark.parametrize("now", [{A: "1", B: "3"}, {A: "1"}, {B: "1", A: "1"}])
def test_an_input_that_is_not_what_it_was_is_refused_by_its_name(tmp_path, now):
    RunFolder.open(tmp_path, {}, {A: "1", B: "2"})
    (tmp_path / "log.jsonl").touch()
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(ValueError, match=r"^/data/b\.mrcs: is not what it was when the run in .* began; put it back"):
        RunFolder.open(tmp_path, {}, now)
    assert (tmp_path / "config.json").read_bytes() == before


def test_an_input_that_was_not_read_before_is_refused(tmp_path):
    RunFolder.open(tmp_path, {}, {A: "1"})
    (tmp_path / "log.jsonl").touch()
    with pytest.raises(ValueError, match=r"^/data/b\.mrcs: is not what it was"):
        RunFolder.open(tmp_path, {}, {A: "1", B: "2"})


def test_an_input_found_in_another_place_is_the_same(tmp_path):
    RunFolder.open(tmp_path, {}, {A: "1", B: "2"})
    RunFolder.open(tmp_path, {}, {A: "1", Path("/backup/b.mrcs"): "2"})


def test_a_run_that_noted_no_inputs_is_resumed_and_notes_them(tmp_path):
    RunFolder.open(tmp_path, {})
    assert RunFolder.open(tmp_path, {}, {A: "1"}).record()["inputs"] == {"/data/a.star": "1"}


def test_a_run_that_made_nothing_may_be_begun_otherwise(tmp_path):
    RunFolder.open(tmp_path, {"ctf": "misspelt.star"}, {A: "1"})
    run = RunFolder.open(tmp_path, {"ctf": "lenses.star"}, {A: "2"})
    assert run.record()["config"] == {"ctf": "lenses.star"}


@pytest.mark.slow
def test_a_folder_that_another_process_writes_is_refused(tmp_path):
    run = RunFolder.open(tmp_path, {"seed": 1})
    command = [
        sys.executable,
        "-c",
        f"from frazil.training import RunFolder; RunFolder.open({str(tmp_path)!r}, {{'seed': 1}})",
    ]
    other = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"{tmp_path}: another process is writing there; wait for it, or choose another folder" in other.stderr
    del run
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"holds thesis.tex but no run of frazil; choose another folder"):
        RunFolder.open(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "map.mrc").touch()
    with pytest.raises(ValueError, match="is a file; give a folder for the run"):
        RunFolder.open(tmp_path / "map.mrc", {})


def test_a_strange_config_file_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="is not of a run of frazil"):
        RunFolder.open(tmp_path, {})


def test_a_kill_while_the_folder_was_made_does_not_spoil_it(tmp_path):
    (tmp_path / "config.json.partial").write_text('{"conf')
    RunFolder.open(tmp_path, {"seed": 1})


def test_the_exact_command_and_the_versions_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/frazil", "cryogan", "my particles.star", "--out", "run"])
    start = RunFolder.open(tmp_path, {}).record()["starts"][-1]
    assert start["command"] == "frazil cryogan 'my particles.star' --out run"
    assert {"frazil", "torch", "python"} <= start["versions"].keys()
