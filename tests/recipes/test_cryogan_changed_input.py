"""A run is resumed with the particles it began with, or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
AT_ONCE = "--max-minutes", "1e-9"


def invert_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def name_another_image(path: Path) -> None:
    """Two rows change theirs."""
    text = path.read_text().replace("000007@", "other@").replace("000008@", "000007@")
    path.write_text(text.replace("other@", "000008@"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "edit"), [("particles.star", name_another_image), ("particles.mrcs", invert_last_byte)]
)
def test_an_input_edited_in_place_is_refused_by_its_name_until_it_is_put_back(
    copied: Path, cryogan: Run, tmp_path: Path, name: str, edit: Callable[[Path], None]
) -> None:
    assert cryogan(copied, *AT_ONCE)[0] == 0
    out, file = tmp_path / "run", copied / name
    before, whole = {path: path.stat().st_mtime_ns for path in out.iterdir()}, file.read_bytes()
    edit(file)
    code, said, err = cryogan(copied)
    assert (code, said) == (1, "")
    assert err.startswith(f"frazil: error: {file}: is not what it was when the run in {out} began; put it back")
    assert err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    file.write_bytes(whole)
    assert cryogan(copied, *AT_ONCE)[0] == 0
