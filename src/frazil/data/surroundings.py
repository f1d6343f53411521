"""The noise of a data set, measured beside its particles."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data.particles import Particles
from frazil.geometry import centred_coordinates
from frazil.physics import ColouredNoise, radial_power

_FEWEST = 50  # particles of a micrograph whose surroundings give a spectrum of their own
_SAMPLE = 1000  # images for one spectrum
_EDGE = 0.05  # of the box, over which the weight of the background rises
_CLEAR = 0.06  # of the box, how far beyond a particle's radius the fringes of its CTF are taken to reach
_FREE = 0.1  # of the box, the least background that an image should have between its neighbours


def surrounding_noise(
    particles: Particles, boxes: tuple[int, ...], neighbours: Float[Tensor, "particles most xy"] | None = None
) -> ColouredNoise:
    """Gaussian noise with the power spectrum of the particles' surroundings, one for each micrograph.

    Micrographs with fewer than 50 particles share one spectrum. `boxes` are all that images will be cropped to. Where
    `neighbours` lie, in angstrom from each particle (`neighbour_offsets`), is no background either.
    """
    group = _groups(particles)
    near = torch.empty(len(particles), 0, 2) if neighbours is None else neighbours
    power = {box: _spectra(particles, near, group, box) for box in boxes}
    return ColouredNoise(power, group)


def _groups(particles: Particles) -> Int[Tensor, " particles"]:
    """Group of each particle: 0 for all that are too few on their micrograph, else one for each micrograph."""
    table = particles.table.data
    if "rlnMicrographName" not in table:
        return torch.zeros(len(particles), dtype=torch.int64)
    _, micrograph, counts = np.unique(table["rlnMicrographName"].astype(str), return_inverse=True, return_counts=True)
    many = counts[micrograph] >= _FEWEST
    _, group = np.unique(np.where(many, micrograph, -1), return_inverse=True)
    return torch.from_numpy(group.astype(np.int64))


def _spectra(particles: Particles, near: Tensor, group: Tensor, box: int) -> Float[Tensor, "groups shells"]:
    spectra = []
    for number in range(int(group.max()) + 1):
        rows = torch.nonzero(group == number)[:, 0]
        sample = rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE]
        weight = _background(near[sample], box, particles.pixel_size(box), particles.radius)
        wide = weight.mean((-1, -2)) > _FREE
        if wide.any():
            sample, weight = sample[wide], weight[wide]
        else:  # between neighbours there are only slivers: they count as noise
            weight = _background(near[sample, :0], box, particles.pixel_size(box), particles.radius)
        spectra.append(radial_power(particles.select(sample).load(box), weight))
    return torch.stack(spectra)


def _background(near: Tensor, box: int, pixel_size: float, radius: float) -> Float[Tensor, "batch box box"]:
    """1 where no particle is, neither an image's own nor a neighbour, and 0 on them, with soft edges."""
    pixels = centred_coordinates(box, 2) * pixel_size
    weight = torch.ones(len(near), box, box)
    for places in [torch.zeros(len(near), 2), *near.unbind(1)]:
        distance = (pixels - places[:, None, None]).norm(dim=-1)
        ramp = (((distance - radius) / (box * pixel_size) - _CLEAR) / _EDGE).clamp(0, 1)
        weight *= 0.5 - 0.5 * torch.cos(torch.pi * ramp)
    return weight
