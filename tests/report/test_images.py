"""Real beside simulated images: one grey scale, comparable charts."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from frazil.geometry import fourier_crop
from frazil.report import comparison_figure


def charts(markup: str) -> list[dict]:
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', markup)]


def test_white_noise_has_a_flat_spectrum_of_its_variance() -> None:
    images = 2 * torch.randn(200, 24, 24)
    spectra = charts(comparison_figure(images, images / 2, 3.0).body)[0]
    real, simulated = spectra["curves"][0]
    assert (real["name"], simulated["name"]) == ("real", "simulated")
    np.testing.assert_allclose(real["y"], 4, rtol=0.1)
    np.testing.assert_allclose(simulated["y"], 1, rtol=0.1)
    np.testing.assert_allclose(real["x"], np.arange(1, 13) / (24 * 3.0), rtol=1e-4)


def test_frequencies_that_were_cut_away_are_not_drawn() -> None:
    images = fourier_crop(fourier_crop(torch.randn(20, 16, 16), 11), 16)
    for curve in charts(comparison_figure(images, images, 3.0).body)[0]["curves"][0]:
        assert curve["x"] == pytest.approx([shell / 48 for shell in range(1, 8)], rel=1e-4)


def test_histograms_hold_all_pixels_on_common_bins() -> None:
    histograms = charts(comparison_figure(torch.randn(9, 20, 20), torch.randn(5, 20, 20), 3.0).body)[1]
    real, simulated = histograms["curves"][0]
    assert real["x"] == simulated["x"]
    width = real["x"][1] - real["x"][0]
    assert 0.99 < width * sum(real["y"]) < 1.01


def test_both_grids_have_the_same_grey_scale() -> None:
    rng = np.random.default_rng(0)
    body = comparison_figure(rng.standard_normal((12, 16, 16)), 0.1 * rng.standard_normal((12, 16, 16)), 3.0).body
    grids = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(source))), dtype=float)
        for source in re.findall(r'src="data:image/png;base64,([^"]+)"', body)
    ]
    real, simulated = (grid[..., 0][grid[..., 1] > 0].std() for grid in grids)
    assert 0.05 < simulated / real < 0.15


def test_few_images_of_another_count_are_shown_as_they_are() -> None:
    body = comparison_figure(torch.randn(1, 15, 15), torch.randn(3, 15, 15), 3.0).body
    assert "real: 1 of 1 images" in body
    assert "simulated: 3 of 3 images" in body


def test_a_broken_stack_is_named_and_nothing_is_drawn() -> None:
    body = comparison_figure(torch.randn(2, 8, 8), torch.full((2, 8, 8), torch.nan), 3.0).body
    assert "The stack of simulated images holds 128 values out of 128 that are NaN or infinite" in body
    assert "<img" not in body
