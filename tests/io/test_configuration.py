"""What is stored of a configuration, and what is said of one that differs."""

from pathlib import Path

import pytest

from frazil.io import configuration_changes, read_record, stored_configuration, write_record


def test_a_configuration_is_the_same_after_it_was_stored(tmp_path: Path) -> None:
    config = stored_configuration({"boxes": (32, 48), "snr_db": float("inf"), "lens": {"defocus": (1.0, 2.0)}})
    write_record(tmp_path / "run" / "config.json", {"config": config})
    assert read_record(tmp_path / "run" / "config.json", "config") == {"config": config}
    assert configuration_changes(config, config) == ""


def test_a_path_is_stored_as_it_is_seen_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert stored_configuration({"model": Path("a.pdb")}) == {"model": str(tmp_path.resolve() / "a.pdb")}


def test_fields_that_differ_are_named_with_both_values_and_free_ones_are_not() -> None:
    old = {"seed": 1, "lens": {"defocus": 5.0, "cs_mm": 2.7}, "device": "cpu", "box": 32}
    new = {"seed": 1, "lens": {"defocus": 6.0, "cs_mm": 2.7}, "device": "cuda", "ctf": "none"}
    assert configuration_changes(old, new, free={"device"}) == (
        "lens.defocus was 5.0 and is now 6.0; box was 32 and is now unset; ctf was unset and is now 'none'"
    )


def test_of_two_commands_configurations_the_first_changes_are_told() -> None:
    told = configuration_changes({}, {f"option{number}": number for number in range(40)})
    assert told.count("was unset") == 5
    assert told.endswith("; and 35 more")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"config": {}}'])
def test_another_programs_configuration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json: is not of a run of frazil"):
        read_record(tmp_path / "config.json", "config", "starts")
