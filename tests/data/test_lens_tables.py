"""Lenses that tables hold, and tables that hold none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frazil.data.lens_tables import read_ctf_rows
from frazil.physics import CTFRanges


def test_a_ctf_array_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "ctf.npy", np.zeros((4, 7), np.float32))
    with pytest.raises(ValueError, match=r"ctf.npy: a CTF table has 9 finite columns .* not \(4, 7\)"):
        read_ctf_rows(tmp_path / "ctf.npy", CTFRanges())


def test_an_amplitude_contrast_in_percent_is_refused(tmp_path: Path) -> None:
    rows = np.tile([64, 1.5, 15000, 14000, 30, 300, 2.7, 0.1, 0], (3, 1))
    rows[1, 7] = 10
    np.save(tmp_path / "ctf.npy", rows)
    with pytest.raises(ValueError, match=r"ctf.npy, row 2: the amplitude contrast is 10, not a part of 1; percent\?"):
        read_ctf_rows(tmp_path / "ctf.npy", CTFRanges())
    with pytest.raises(ValueError, match=r"--b-factor must not be negative, it is -20"):
        CTFRanges(b_factor=-20.0)
    with pytest.raises(ValueError, match=r"--amplitude-contrast must lie in 0 ... 1, it is 7"):
        CTFRanges(amplitude_contrast=7.0)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"defocus": (float("nan"), 2e4)}, "--defocus must be the smallest, then the largest"),
        ({"defocus": (2.0, 5.0)}, "--defocus is in angstrom, 10000 for a micrometre, not 5"),
        ({"voltage_kv": -300.0}, "--voltage-kv must be positive, and in kV; it is -300"),
        ({"voltage_kv": 300_000.0}, "--voltage-kv must be positive, and in kV; it is 300000"),
    ],
)
def test_no_lens_has_such_numbers(numbers: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        CTFRanges(**numbers)


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["ctf_tables/empiar10028_80S_ctf.npy", "betagal_empiar10061/micrographs_ctf_1539.star"]
)
def test_real_ctf_tables_are_drawn_from(shared_data: Path, name: str) -> None:
    ctf = read_ctf_rows(shared_data / name, CTFRanges())
    assert len(ctf) in (105_247, 1539)
    assert ctf.voltage_kv.unique().tolist() == [300]
