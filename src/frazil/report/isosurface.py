"""An isosurface that turns with the mouse: the page carries the density, its script finds the surface."""

import base64
import html
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float

from frazil.geometry import fourier_crop
from frazil.report.arrays import Array, as_numpy, why_undrawable
from frazil.report.figure import Figure, Reading, refusal

SMALLEST_BOX, LARGEST_BOX = 64, 96
"""Voxels along a side that the page carries: coarser maps are interpolated so that the surface is smooth."""
STEPS = 4369  # a divisor of 65535
"""Grey levels the density is stored with: enough for smooth shading, and they compress well."""
PADDING = 2
"""Voxels of empty space added on each side, so that a surface cut by the box's edge is closed."""

READING = Reading(
    look="Drag to turn, scroll or pinch to zoom (click first), arrow keys work too. The level chooses the density at "
    "which the surface is drawn; the cut takes the front away to show the inside.",
    good="One connected body of the expected mass, whose shape hardly changes over a range of levels.",
    bad="Dust around it: the level is too low, or the map is noise. Spikes along one direction: missing views. A "
    "hollow shell where none is expected: the reconstruction has collapsed.",
)


SEVERAL = Reading(
    look="Drag the slider of volumes back and forth: all are drawn at one level and from one side, which can be changed"
    " as with a single surface.",
    good="One body of which a part moves, comes or goes, and the rest stands still.",
    bad="Everything swells and shrinks, or turns: the latent holds how strongly or from where a particle was seen.",
)


def contour_level(volume: Float[Array, "box box box"]) -> float:
    """Level that parts the particle from the solvent: Otsu's threshold inside the box's sphere.

    It is held between the levels that enclose 20 % and 0.2 % of the sphere, which keeps a map of pure noise
    from filling the box.
    """
    from skimage.filters import threshold_otsu

    density = as_numpy(volume)
    inside = density[_sphere(density.shape[0])]
    loosest, tightest = np.quantile(inside, [0.80, 0.998])
    return float(np.clip(threshold_otsu(inside), loosest, tightest))


def isosurface_figure(
    volume: Float[Array, "box box box"],
    pixel_size: float,
    title: str = "Surface",
    level: float | None = None,
) -> Figure:
    """Isosurface of a map to turn, zoom, cut and contour; equal axes, lengths in angstrom."""
    density = as_numpy(volume)
    problem = why_undrawable(density, "The map")
    if problem:
        return refusal(title, problem)
    start = contour_level(density) if level is None else float(level)
    box = int(np.clip(density.shape[0], SMALLEST_BOX, LARGEST_BOX))
    pixel_size = pixel_size * density.shape[0] / box
    density = fourier_crop(torch.from_numpy(density), box, ndim=3).numpy()
    return Figure(title, _viewer_markup([density], pixel_size, start, title), READING, ("viewer.js",))


def isosurfaces_figure(volumes: Mapping[str, Float[Array, "box box box"]], pixel_size: float, title: str) -> Figure:
    """The same of one volume after another, all at one level and from one side; a slider chooses."""
    densities = [as_numpy(volume) for volume in volumes.values()]
    for name, density in zip(volumes, densities, strict=True):
        problem = why_undrawable(density, f"Volume {name}")
        if problem:
            return refusal(title, problem)
    box = len(densities[0])
    fine = [fourier_crop(torch.from_numpy(density), SMALLEST_BOX, ndim=3).numpy() for density in densities]
    start, pixel_size = contour_level(np.mean(densities, 0)), pixel_size * box / SMALLEST_BOX
    reading = SEVERAL if len(fine) > 1 else READING
    return Figure(title, _viewer_markup(fine, pixel_size, start, title), reading, ("viewer.js",))


def _sphere(box: int) -> np.ndarray:
    squares = (np.arange(box) - box // 2) ** 2
    return squares[:, None, None] + squares[:, None] + squares <= (box // 2) ** 2


def _pack(density: np.ndarray, floor: float, peak: float) -> str:
    """The density between floor and peak as deflated 16-bit numbers, two voxels of floor around it."""
    steps = np.round(np.clip((density - floor) / (peak - floor), 0, 1) * STEPS)
    scaled = np.pad(steps * (65535 // STEPS), PADDING).astype("<u2")
    return base64.b64encode(zlib.compress(scaled.tobytes(), 9)).decode()


def _viewer_markup(densities: Sequence[np.ndarray], pixel_size: float, start: float, title: str) -> str:
    every = np.stack(densities)
    peak = float(every.max())
    start = min(start, peak - 1e-3 * float(np.ptp(every)))
    lowest = max(float(np.quantile(every, 0.5)), start - 0.8 * (peak - start))
    lowest = min(lowest, start - 0.1 * (peak - start))
    highest = start + 0.95 * (peak - start)
    floor = lowest - 0.25 * (peak - lowest)
    name = html.escape(title, quote=True)
    packed = "".join(
        f'<script type="application/octet-stream">{_pack(density, floor, peak)}</script>' for density in densities
    )
    axes = "".join(f'<g class="axis-{axis}"><line/><text>{axis}</text></g>' for axis in "xyz")
    return f"""
<div class="viewer" data-box="{every.shape[-1] + 2 * PADDING}" data-pixel-size="{pixel_size:.6g}"
     data-floor="{floor:.8g}" data-peak="{peak:.8g}">
  <div class="stage">
    <canvas tabindex="0" role="img" aria-label="{name}: isosurface; the arrow keys turn it, + and - zoom"></canvas>
    <svg class="axes" viewBox="-34 -34 68 68" aria-hidden="true">{axes}</svg>
    <div class="scale-bar" aria-hidden="true"></div>
    <p class="viewer-problem" role="status"></p>
  </div>
  <div class="controls">{_chooser(len(densities))}
    <label>Contour level <input type="range" name="level" min="{lowest:.8g}" max="{highest:.8g}"
      step="{(highest - lowest) / 400:.3g}" value="{start:.8g}"></label>
    <label>Cut <input type="range" name="cut" min="0" max="0.95" step="0.01" value="0"></label>
    <button type="button">Reset view</button>
    <output></output>
  </div>
  {packed}
</div>"""


def _chooser(count: int) -> str:
    if count < 2:
        return ""
    return f"""
    <label>Volume <input type="range" name="volume" min="1" max="{count}" step="1" value="1"></label>"""
