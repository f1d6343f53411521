"""Grey pictures as inline PNG, with a scale bar in angstrom drawn by the page."""

import base64
import html
import io
from collections.abc import Iterable, Sequence

import numpy as np

from frazil.report.arrays import nice_length

LARGEST_SIDE = 320
"""Pixels along a side that the page carries; larger pictures are averaged down."""
GUTTER = 3
"""Transparent pixels between the images of a grid."""


def picture(image: np.ndarray, black: float, white: float, alt: str) -> str:
    """One image, first row at the bottom as y points up, on a fixed grey scale."""
    return _tag(_png(_grey(_reduced(image), black, white)[::-1]), alt)


def circled(shown: str, size: tuple[int, int], places: Sequence[Sequence[float]], diameter_px: float) -> str:
    """A picture of (x, y) pixels with a circle around each place."""
    width, height = size
    circles = "".join(
        f'<circle cx="{x + 0.5:.1f}" cy="{height - y - 0.5:.1f}" r="{diameter_px / 2:g}"/>' for x, y in places
    )
    style = "position:absolute;inset:0;width:100%;height:100%;fill:none;stroke:var(--series-1);stroke-width:1"
    return shown + f'<svg viewBox="0 0 {width} {height}" style="{style}" aria-hidden="true">{circles}</svg>'


def picture_grid(images: Sequence[np.ndarray], columns: int, grey: tuple[float, float], alt: str) -> str:
    """Images of one size in rows of `columns`, all on one grey scale, with see-through gutters."""
    tiles = [_grey(_reduced(image), *grey)[::-1] for image in images]
    side = tiles[0].shape[0]
    rows = -(-len(tiles) // columns)
    canvas = np.zeros((rows * (side + GUTTER) - GUTTER, columns * (side + GUTTER) - GUTTER, 2), np.uint8)
    for index, tile in enumerate(tiles):
        top, left = (place * (side + GUTTER) for place in divmod(index, columns))
        canvas[top : top + side, left : left + side, 0] = tile
        canvas[top : top + side, left : left + side, 1] = 255
    return _tag(_png(canvas), alt)


def panel(inner: str, caption: str, width_angstrom: float, bar_angstrom: float | None = None) -> str:
    """A picture with its caption; the scale bar lies on it where its length is given."""
    bar = ""
    if bar_angstrom is not None:
        share = 100 * bar_angstrom / width_angstrom
        bar = f'<span class="scale-bar" style="width:{share:.2f}%">{bar_angstrom:g} Å</span>'
    return f'<div class="panel"><div class="frame">{inner}{bar}</div><p>{html.escape(caption)}</p></div>'


def panel_rows(rows: Iterable[Iterable[str]]) -> str:
    """Panels by kind, each kind in a row of its own, or in several where the page is narrow."""
    return "".join(f'<div class="panels many">{"".join(panels)}</div>' for panels in rows)


def scale_bar_length(width_angstrom: float) -> float:
    """A round length that takes between a sixth and two fifths of the picture's width."""
    return nice_length(0.4 * width_angstrom)


def _grey(image: np.ndarray, black: float, white: float) -> np.ndarray:
    return np.round(np.clip((image - black) / (white - black), 0, 1) * 255).astype(np.uint8)


def _reduced(image: np.ndarray) -> np.ndarray:
    """The image averaged over squares of pixels until it fits; the last incomplete squares are left out."""
    factor = -(-max(image.shape) // LARGEST_SIDE)
    if factor == 1:
        return image
    height, width = (side // factor for side in image.shape)
    squares = image[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return np.asarray(squares.mean(axis=(1, 3)))


def _png(pixels: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _tag(png: str, alt: str) -> str:
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:image/png;base64,{png}">'
