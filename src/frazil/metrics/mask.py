"""Soft mask around the particle, made from its two half maps and nothing else."""

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import fourier_transform, frequency_grid, inverse_fourier_transform, soft_sphere
from frazil.metrics.fsc import fourier_shell_correlation

_FINEST_LOW_PASS = 15.0  # angstrom: at this detail a protein's inside has no holes
_NOISE_LEVELS = 3.0
_LARGE_ENOUGH = 0.1  # of the largest connected part


def half_map_mask(
    half1: Float[Tensor, "box box box"], half2: Float[Tensor, "box box box"], pixel_size: float
) -> Float[Tensor, "box box box"]:
    """Mask around the density that the half maps share: 1 inside, 0 outside, a cosine edge between.

    Their mean is low-passed to where their FSC falls to 0.5 (15 angstrom at the finest), cut at half of Otsu's
    threshold or three times the halves' noise, freed of specks, and widened by half the low-pass; the edge is at
    least three voxels wide. Density must be positive. Raises ValueError where no density stands out.
    """
    low_pass = max(fourier_shell_correlation(half1, half2, pixel_size).resolution(0.5), _FINEST_LOW_PASS)
    mean = _low_passed((half1 + half2) / 2, low_pass, pixel_size)
    noise = _low_passed((half1 - half2) / 2, low_pass, pixel_size)
    density = _dense_part(mean, noise)
    widen = low_pass / (2 * pixel_size)
    return _softened(density, widen, edge=max(widen, 3.0))


def _low_passed(volume: Tensor, resolution: float, pixel_size: float) -> Tensor:
    """Gaussian low-pass, exp(-1/2) at the resolution: it does not ring, as a sharp one does."""
    box = volume.shape[-1]
    frequency = frequency_grid(box, pixel_size, 3, device=volume.device).norm(dim=-1)
    spectrum = fourier_transform(volume, 3) * torch.exp(-0.5 * (frequency * resolution).square())
    return inverse_fourier_transform(spectrum, box, 3)


def _dense_part(mean: Tensor, noise: Tensor) -> Tensor:
    from scipy.ndimage import label
    from skimage.filters import threshold_otsu

    box = mean.shape[-1]
    inside = soft_sphere(box, 0.45 * box, 0.05 * box, device=mean.device) > 0.5
    if mean[inside].max() <= mean[inside].min():
        raise ValueError(f"no mask can be made from the half maps: their mean is {float(mean[inside][0]):g} everywhere")
    threshold = max(threshold_otsu(mean[inside].cpu().numpy()) / 2, _NOISE_LEVELS * float(noise[inside].std()))
    parts, count = label((mean > threshold).cpu().numpy())
    if count == 0:
        raise ValueError(
            f"no mask can be made from the half maps: their mean stays below {threshold:.3g},"
            " three times the noise of their difference"
        )
    label_of = torch.from_numpy(parts).long()
    sizes = torch.bincount(label_of.flatten())
    sizes[0] = 0
    return (sizes >= _LARGE_ENOUGH * sizes.max())[label_of].to(mean.device)


def _softened(region: Tensor, widen: float, edge: float) -> Tensor:
    """Region widened by `widen` voxels, then falling to 0 as a cosine over `edge` voxels."""
    from scipy.ndimage import distance_transform_edt

    distance = torch.from_numpy(distance_transform_edt(~region.cpu().numpy())).float().to(region.device)
    return 0.5 + 0.5 * torch.cos(torch.pi * ((distance - widen) / edge).clamp(0, 1))
