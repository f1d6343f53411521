"""The tomogram that the images of a tilt series make."""

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import filter_field, rectangle_frequency
from frazil.physics.ctf import CTF, evaluate_ctf, phase_signs

_AT_ONCE = 8  # sections of a tomogram that are filled together


def phase_flipped(
    images: Float[Tensor, "tilts y x"], lens: CTF | None, pixel_size: float
) -> Float[Tensor, "tilts y x"]:
    """Images with the signs put right that the lens reversed at the tomogram's centre."""
    if lens is None:
        return images
    size = (images.shape[-1], images.shape[-2])
    sign = phase_signs(evaluate_ctf(lens, rectangle_frequency(size, pixel_size))[0])
    return torch.stack([filter_field(image, sign) for image in images])


def weighted_back_projection(
    images: Float[Tensor, "tilts y x"], angle_deg: Float[Tensor, " tilts"], depth: int
) -> Float[Tensor, "depth y x"]:
    """The tomogram that images tilted about y make: each is weighted by |k_x| and smeared along its beam.

    The images' weights add up to those of a whole turn, so that a density comes out in its own units where its detail
    was seen. Source: Radermacher, in Electron Tomography (Frank, ed.), 2006, equations 8.12 and 8.15.
    """
    height, width = images.shape[-2:]
    ramp = rectangle_frequency((width, height))[..., 0].abs()
    # Between two slices that are a step apart lies |k| times the step: that is each image's share of frequency space.
    step = torch.deg2rad((angle_deg.max() - angle_deg.min()) / max(1, len(angle_deg) - 1))
    columns = torch.stack([filter_field(image, step * ramp).T.contiguous() for image in images])
    angle = torch.deg2rad(angle_deg)
    x = torch.arange(width) - width // 2
    tomogram = torch.zeros(depth, height, width)
    for start in range(0, depth, _AT_ONCE):
        z = torch.arange(start, min(depth, start + _AT_ONCE)) - depth // 2
        slab = torch.zeros(len(z) * width, height)
        for column, tilt in zip(columns, angle, strict=True):
            at = (x * tilt.cos() + z[:, None] * tilt.sin() + width // 2).flatten()
            below = at.floor()
            for place, share in ((below, below + 1 - at), (below + 1, at - below)):
                inside = (place >= 0) & (place < width)
                slab += (share * inside)[:, None] * column[place.long().clamp(0, width - 1)]
        tomogram[start : start + len(z)] = slab.view(len(z), width, height).mT
    return tomogram
