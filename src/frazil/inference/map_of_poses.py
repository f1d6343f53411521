"""The map that images make at poses which are known, or guessed."""

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import Pose, phase_ramp, soft_sphere
from frazil.inference.likelihood import Evidence, FourierDisc
from frazil.inference.particle_images import ParticleImages
from frazil.physics import BackProjection

_AT_ONCE = 256  # images
_PRIOR = 0.1  # of a shell's mean weight: where hardly an image looked, hardly anything is
_EDGE = 0.1  # of the radius, over which the particle's sphere fades


@torch.no_grad()
def map_of_poses(
    data: ParticleImages, pose: Pose, group: Float[Tensor, "order 3 3"], radius: float
) -> Float[Tensor, "box box box"]:
    """Wiener-weighted back-projection of all images, within a sphere of `radius` pixels; shifts in angstrom."""
    noise = data.mean_power()
    empty = noise.new_zeros((data.box,) * 3)
    disc = FourierDisc.of((data.box - 1) // 2, like=empty)
    sums = BackProjection.empty(data.box, like=empty)
    for rows in torch.arange(data.count).split(_AT_ONCE):
        evidence = Evidence.of(data.observe(rows, disc), disc, noise)
        back = phase_ramp(-pose.shift[rows] / data.pixel_size, disc.frequency)
        sums.add(back * evidence.matched, evidence.power, pose.rotation[rows], disc.frequency)
    whole = sums.symmetrised(group)
    return whole.volume(_PRIOR * whole.shell_means()) * soft_sphere(data.box, radius, _EDGE * radius)
