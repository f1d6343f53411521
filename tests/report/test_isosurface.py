"""The isosurface: the level parts particle from solvent, and the page carries the density it is drawn from."""

import base64
import re
import zlib

import numpy as np
import pytest
import torch

from frazil.report import contour_level, isosurface_figure, isosurfaces_figure


def ball(box: int = 40, radius: float = 9, edge: float = 1.5) -> np.ndarray:
    """A ball of density 1 with a soft edge."""
    axis = np.arange(box) - box // 2
    squares = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    return 1 / (1 + np.exp((np.sqrt(squares) - radius) / (edge / 3)))


def attribute(markup: str, name: str) -> float:
    found = re.search(rf'{name}="([^"]+)"', markup)
    assert found
    return float(found.group(1))


def carried_density(markup: str) -> np.ndarray:
    """The density that a page's script would find, in the map's own units."""
    packed = re.search(r'<script type="application/octet-stream">(.*?)</script>', markup)
    assert packed
    box = int(attribute(markup, "data-box"))
    raw = np.frombuffer(zlib.decompress(base64.b64decode(packed.group(1))), "<u2").reshape(box, box, box)
    floor, peak = attribute(markup, "data-floor"), attribute(markup, "data-peak")
    return floor + raw / 65535 * (peak - floor)


@pytest.mark.parametrize("noise", [0.0, 0.15])
def test_the_default_level_encloses_the_particle(noise: float) -> None:
    volume = ball() + noise * np.random.default_rng(0).standard_normal((40, 40, 40))
    enclosed = np.count_nonzero(volume > contour_level(volume))
    assert enclosed == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.1)


def test_the_default_level_does_not_depend_on_scale_and_offset() -> None:
    assert contour_level(50 * ball() - 7) == pytest.approx(50 * contour_level(ball()) - 7, abs=0.5)


def test_a_map_of_noise_does_not_fill_the_box() -> None:
    noise = torch.randn(32, 32, 32)
    assert (noise > contour_level(noise)).double().mean() < 0.25


def test_the_page_carries_the_density_above_the_lowest_level() -> None:
    volume = ball(64)
    markup = isosurface_figure(volume, 3.0).body
    carried = carried_density(markup)[2:-2, 2:-2, 2:-2]
    floor = attribute(markup, "data-floor")
    np.testing.assert_allclose(carried, np.maximum(volume, floor), atol=2e-4)
    assert attribute(markup, "data-pixel-size") == 3.0


@pytest.mark.parametrize(("box", "carried_box"), [(31, 64), (32, 64), (70, 70), (120, 96)])
def test_other_boxes_are_resampled_and_keep_their_size_in_angstrom(box: int, carried_box: int) -> None:
    markup = isosurface_figure(ball(box, radius=0.25 * box, edge=0.1 * box), 2.0).body
    assert attribute(markup, "data-box") == carried_box + 4
    assert attribute(markup, "data-pixel-size") * carried_box == pytest.approx(2.0 * box, rel=1e-4)
    density = carried_density(markup)
    centre = np.array(np.nonzero(density > 0.5)).mean(axis=1) - 2
    np.testing.assert_allclose(centre, carried_box // 2, atol=0.15)


def test_a_level_that_is_given_is_the_one_shown() -> None:
    markup = isosurface_figure(ball(), 3.0, level=0.7).body
    assert attribute(markup, " value") == 0.7


@pytest.mark.parametrize("level", [-5.0, 5.0])
def test_a_level_outside_the_map_leaves_a_slider_in_order(level: float) -> None:
    markup = isosurface_figure(ball(), 3.0, level=level).body
    assert attribute(markup, "data-floor") < attribute(markup, " min") < attribute(markup, " max")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [(0.0, "The map is constant (every value is 0)"), (float("nan"), "holds 512 values out of 512 that are NaN")],
)
def test_a_degenerate_map_is_named_and_not_drawn(value: float, sentence: str) -> None:
    figure = isosurface_figure(torch.full((8, 8, 8), value), 3.0)
    assert sentence in figure.body
    assert "<canvas" not in figure.body
    assert figure.scripts == ()


def test_several_volumes_share_a_scale_and_a_slider() -> None:
    body = isosurfaces_figure({"1": ball(), "2": 2 * ball(radius=6)}, 3.0, "Along the axis").body
    assert body.count('type="application/octet-stream"') == 2
    assert 'name="volume" min="1" max="2"' in body
    assert attribute(body, "data-peak") == pytest.approx(2.0, rel=0.02)
    assert attribute(body, "data-pixel-size") == pytest.approx(3.0 * 40 / 64)
    assert 'name="volume"' not in isosurfaces_figure({"1": ball()}, 3.0, "Alone").body


def test_a_volume_that_cannot_be_drawn_is_named() -> None:
    body = isosurfaces_figure({"1": ball(), "2": np.full((40, 40, 40), np.nan)}, 3.0, "Along the axis").body
    assert "Volume 2" in body
    assert "viewer" not in body
