"""Slices and projections: the right way up, to scale, on one grey scale."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from frazil.report import map_figure
from frazil.report.arrays import nice_length
from frazil.report.pictures import LARGEST_SIDE, picture


def pictures(markup: str) -> list[np.ndarray]:
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', markup)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(source)))) for source in sources]


def brightest(image: np.ndarray) -> tuple[int, int]:
    """Column from the left and row from the top of the brightest pixel."""
    row, column = np.unravel_index(int(image.argmax()), image.shape)
    return int(column), int(row)


def test_x_points_right_and_the_other_axis_up() -> None:
    volume = torch.zeros(16, 16, 16)
    volume[3, 6, 12] = 1
    along_z, along_y, along_x = pictures(map_figure(volume, 2.0).body)[3:]
    assert brightest(along_z) == (12, 15 - 6)
    assert brightest(along_y) == (12, 15 - 3)
    assert brightest(along_x) == (6, 15 - 3)


def test_slices_go_through_the_centre_of_the_box() -> None:
    volume = np.zeros((9, 9, 9))
    volume[4, 4, 4] = 1
    assert all(brightest(image) == (4, 4) for image in pictures(map_figure(volume, 2.0).body)[:3])


def test_the_scale_bar_has_the_length_it_names() -> None:
    markup = map_figure(np.random.default_rng(0).standard_normal((20, 20, 20)), 3.0).body
    shares = re.findall(r'style="width:([\d.]+)%">([\d.]+) Å', markup)
    assert shares == [("33.33", "20"), ("33.33", "20")]


@pytest.mark.parametrize(("wanted", "length"), [(0.3, 0.2), (1.0, 1.0), (49.0, 20.0), (50.0, 50.0), (999.0, 500.0)])
def test_a_scale_bar_is_one_two_or_five_times_a_power_of_ten(wanted: float, length: float) -> None:
    assert nice_length(wanted) == pytest.approx(length)


def test_large_pictures_are_averaged_down() -> None:
    image = pictures(picture(np.random.default_rng(0).standard_normal((700, 700)), -1.0, 1.0, "noise"))[0]
    assert image.shape == (233, 233)
    assert max(image.shape) <= LARGEST_SIDE


@pytest.mark.parametrize("value", [2.0, np.inf])
def test_a_degenerate_map_is_named_and_not_drawn(value: float) -> None:
    body = map_figure(np.full((4, 4, 4), value), 1.0).body
    assert "<img" not in body
    assert "The map " in body
