"""The noise of a data set, measured beside its particles."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data.particles import Particles
from frazil.geometry import soft_sphere
from frazil.physics import ColouredNoise, radial_power

_FEWEST = 50  # particles of a micrograph whose surroundings give a spectrum of their own
_SAMPLE = 1000  # images for one spectrum


def surrounding_noise(particles: Particles, boxes: tuple[int, ...]) -> ColouredNoise:
    """Gaussian noise with the power spectrum of the particles' surroundings, one for each micrograph.

    Micrographs with fewer than 50 particles share one spectrum. `boxes` are all that images will be cropped to.
    """
    group = _groups(particles)
    power = {box: _spectra(particles, group, box) for box in boxes}
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


def _spectra(particles: Particles, group: Tensor, box: int) -> Float[Tensor, "groups shells"]:
    pixel_size = particles.pixel_size(box)
    edge = 0.05 * box
    outside = 1 - soft_sphere(box, particles.radius / pixel_size, edge, ndim=2)
    spectra = []
    for number in range(int(group.max()) + 1):
        rows = torch.nonzero(group == number)[:, 0]
        sample = rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE]
        spectra.append(radial_power(particles.select(sample).load(box), outside))
    return torch.stack(spectra)
