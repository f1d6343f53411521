"""What noise a simulated image has."""

from pathlib import Path

import pytest

from frazil.data.exposures import noise_power


def test_a_noise_table_with_negative_power_is_refused(tmp_path: Path) -> None:
    (tmp_path / "power.txt").write_text("0 1\n0.1 -1\n")
    with pytest.raises(ValueError, match=r"power.txt: the first column must be rising frequencies"):
        noise_power(str(tmp_path / "power.txt"), 16, 4.0)
