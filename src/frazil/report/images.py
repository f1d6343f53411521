"""Real particle images beside simulated ones: by eye, by power spectrum, by histogram."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from frazil.geometry import fourier_transform, shell_average
from frazil.report.arrays import Array, as_numpy, grey_range, why_undrawable
from frazil.report.chart import HALF, Curve, Panel, chart, colour_of
from frazil.report.figure import Figure, Reading, refusal
from frazil.report.fsc import resolution_axis
from frazil.report.pictures import panel, picture_grid, scale_bar_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 12
COLUMNS = 4
BINS = 80
_ROUNDING = 1e-6  # of the largest power; what is less is where nothing was left

READING = Reading(
    look="The simulator has to make images that cannot be told from the real ones: whatever it gets wrong ends up in "
    "the map. Both grids have the same grey scale.",
    good="With the captions covered you could not say which grid is which, and in both charts the lines lie on each "
    "other.",
    bad="Spectra that part at coarse detail: solvent or normalisation; at fine detail: noise; ripples out of step: "
    "CTF. Histograms of different width: the noise level; leaning the other way: the contrast is turned round.",
)


def comparison_figure(
    real: Float[Array, "real box box"],
    simulated: Float[Array, "simulated box box"],
    pixel_size: float,
    title: str = "Real and simulated images",
) -> Figure:
    """Two grids on one grey scale, their mean power spectra over frequency and their pixel histograms."""
    stacks = {"real": as_numpy(real), "simulated": as_numpy(simulated)}
    problems = [why_undrawable(stack, f"The stack of {name} images") for name, stack in stacks.items()]
    if any(problems):
        return refusal(title, " ".join(filter(None, problems)))
    charts = f'<div class="pair">{_spectra(stacks, pixel_size)}{_histograms(stacks)}</div>'
    return Figure(title, _grids(stacks, pixel_size) + charts, READING, ("chart.js",))


def _grids(stacks: dict[str, np.ndarray], pixel_size: float) -> str:
    grey = grey_range(np.concatenate([stack[:SHOWN].ravel() for stack in stacks.values()]))
    panels = []
    for name, stack in stacks.items():
        columns = min(COLUMNS, len(stack))
        width = stack.shape[-1] * pixel_size * columns
        grid = picture_grid(list(stack[:SHOWN]), columns, grey, f"{name} images")
        caption = f"{name}: {min(SHOWN, len(stack))} of {len(stack):,} images, standard deviation {stack.std():.3g}"
        panels.append(panel(grid, caption, width, scale_bar_length(width / columns)))
    return f'<div class="panels two pixels">{"".join(panels)}</div>'


def _spectra(stacks: dict[str, np.ndarray], pixel_size: float) -> str:
    curves = []
    for index, (name, stack) in enumerate(stacks.items()):
        box = stack.shape[-1]
        power = _power_spectrum(stack)
        shell = np.arange(len(power))
        shown = (shell > 0) & (power > _ROUNDING * power[1:].max())
        curves.append(Curve(name, shell[shown] / (box * pixel_size), power[shown], colour_of(index)))

    def dress(axis: "Axes") -> None:
        axis.set_yscale("log")
        resolution_axis(axis, float(curves[0].x[-1]))

    return chart([Panel(curves, dress, "mean power by frequency", "resolution")], "resolution, angstrom", 2.7, HALF)


def _power_spectrum(stack: np.ndarray) -> np.ndarray:
    """Mean power by Fourier shell, per pixel: white noise of variance 1 comes out as 1."""
    images = torch.from_numpy(stack)
    power = fourier_transform(images).abs().square().mean(dim=0) / images.shape[-1] ** 2
    return shell_average(power, images.shape[-1]).numpy()


def _histograms(stacks: dict[str, np.ndarray]) -> str:
    together = np.concatenate([stack.ravel() for stack in stacks.values()])
    edges = np.linspace(*grey_range(together, 0.02), BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    curves = [
        Curve(name, middles, np.histogram(stack, edges, density=True)[0], colour_of(index))
        for index, (name, stack) in enumerate(stacks.items())
    ]

    def dress(axis: "Axes") -> None:
        axis.set_ylim(bottom=0)

    return chart([Panel(curves, dress, "density of pixel values")], "pixel value", 2.7, HALF)
