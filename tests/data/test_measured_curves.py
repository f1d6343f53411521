"""Curves that users have measured: noise, and a detector's transfer."""

from pathlib import Path

import numpy as np
import pytest
import torch

from frazil.data.measured_curves import noise_power, read_mtf
from frazil.io import StackWriter


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0 1\n0.1 -1\n", r"power.txt, line 2: a frequency of 0.1 and a power of -1 are no noise's"),
        ("0 1\n\n0.1 nan\n", r"power.txt, line 3: a frequency of 0.1 and a power of nan"),
        ("# by hand\n0, 1\n0.1, much\n", r"power.txt, line 3: '0.1, much' is no frequency and its power"),
        ("0\n", r"power.txt, line 1: '0' is no frequency and its power"),
        ("0.1 1\n0 1\n", r"power.txt, line 2: frequencies must rise, 0 follows 0.1"),
        ("0 0\n0.1 0\n", r"power.txt: a spectrum needs two frequencies or more, and a power that is not 0"),
    ],
)
def test_a_noise_table_that_is_none_is_refused_by_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "power.txt").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        noise_power(str(tmp_path / "power.txt"), 16, 4.0)


def test_a_detector_s_curve_is_read_at_the_micrographs_pixel_size(tmp_path: Path) -> None:
    curve = tmp_path / "mtf_300kV.star"
    curve.write_text("data_\nloop_\n_rlnResolutionInversePixel\n_rlnMtfValue\n0.0 1.0\n0.25 0.7\n0.5 0.3\n")
    read = read_mtf(curve, 2.0)
    assert read is not None
    assert torch.allclose(read, torch.tensor([[0.0, 1.0], [0.125, 0.7], [0.25, 0.3]]))
    assert read_mtf(None, 2.0) is None
    curve.write_text("data_\nloop_\n_rlnVoltage\n300\n")
    with pytest.raises(ValueError, match=r"mtf_300kV.star: has no columns rlnResolutionInversePixel and rlnMtfValue"):
        read_mtf(curve, 2.0)


def test_a_stack_of_backgrounds_that_holds_nan_is_refused(tmp_path: Path) -> None:
    images = np.random.randn(4, 16, 16).astype(np.float32)
    images[2, 3, 3] = np.nan
    with StackWriter(tmp_path / "background.mrcs", 4, 16, 2.0) as stack:
        stack.write(images)
    with pytest.raises(ValueError, match=r"background.mrcs: its images hold NaN or infinite values"):
        noise_power(str(tmp_path / "background.mrcs"), 16, 2.0)
