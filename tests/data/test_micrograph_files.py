"""The detector's curve, as RELION writes it."""

from pathlib import Path

import pytest
import torch

from frazil.data.micrograph_files import read_mtf


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
