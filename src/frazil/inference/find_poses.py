"""The pose of each of some images against one volume."""

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.geometry import Pose, half_turn_grid
from frazil.inference.likelihood import Evidence, FourierDisc
from frazil.inference.particle_images import ParticleImages
from frazil.inference.pose_search import COARSE_ORDER, PoseSearch, search_levels
from frazil.physics import SpectrumTable, sample_slices, to_fourier_volume


def find_poses(
    data: ParticleImages,
    rows: Int[Tensor, " rows"],
    volume: Float[Tensor, "box box box"],
    noise: Float[Tensor, " shells"],
    radius: float,
    max_shift: float,
) -> tuple[Pose, Float[Tensor, " rows"]]:
    """Likeliest poses, and the logarithm of each one's likelihood against that of noise alone.

    Of all orientations, and shifts up to `max_shift` pixels, to the finest detail that the images hold.

    `noise` is its power by shell in the images' spectra, `radius` the particle's in pixels.
    """
    disc = FourierDisc.of((data.box - 1) // 2, like=volume)
    levels = search_levels(data.box, int(disc.shell.max()), radius, max_shift)
    exact = partial(sample_slices, to_fourier_volume(volume))
    search = PoseSearch(SpectrumTable.of(volume).slices, half_turn_grid(COARSE_ORDER), disc, levels, exact=exact)
    rotation, shift, score = [], [], []
    for part in rows.split(search.at_once()):
        found = search(Evidence.of(data.observe(part, disc), disc, noise))
        best = found.best(data.pixel_size)
        rotation.append(best.rotation)
        shift.append(best.shift)
        score.append(found.score)
    return Pose(torch.cat(rotation), torch.cat(shift)), torch.cat(score)
