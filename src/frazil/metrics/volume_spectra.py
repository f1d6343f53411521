"""Power spectra of volumes with a missing wedge, by the direction in which they are looked at."""

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import fourier_transform, frequency_grid, shell_index

SECTORS = ("across the beam", "in between", "in the wedge")
"""Three directions by their angle to the upright image's plane: to 30, to 60, to 90 degrees."""
_AT_ONCE = 64  # volumes that are transformed together


def sector_power(volumes: Float[Tensor, "count box box box"]) -> Float[Tensor, "sectors shells"]:
    """Mean power by direction and Fourier shell, from the first shell to Nyquist's.

    Directions by their angle to the plane of the upright image, about the tilt axis y, in equal parts of 90 degrees;
    the last is the wedge that +-60 degrees leave out.
    """
    box = volumes.shape[-1]
    shells, sectors = box // 2, len(SECTORS)
    total = torch.zeros(box, box, box // 2 + 1, dtype=torch.float64)
    for some in volumes.split(_AT_ONCE):
        total += fourier_transform(some, 3).abs().square().sum(0).double().cpu()
    total /= len(volumes) * box**3
    x, _, z = frequency_grid(box, 1.0, 3).abs().unbind(-1)
    sector = (torch.atan2(z, x) / (torch.pi / 2) * sectors).long().clamp(max=sectors - 1)
    shell = shell_index(box, 3)
    inside = (shell > 0) & (shell <= shells)
    bins = (sector * shells + shell - 1)[inside]
    power, count = (torch.zeros(sectors * shells, dtype=torch.float64) for _ in range(2))
    power.index_add_(0, bins, total[inside])
    count.index_add_(0, bins, torch.ones_like(total[inside]))
    return (power / count.clamp(min=1)).view(sectors, shells)


def sector_distances(
    real: Float[Tensor, "sectors shells"], other: Float[Tensor, "sectors shells"]
) -> Float[Tensor, " sectors"]:
    """Root mean square difference of the logarithms of two such powers, over the shells of each sector.

    What is less than a hundred thousandth of the real ones' mean counts as that: an empty wedge is not infinitely far
    from another.
    """
    floor = 1e-5 * real.mean()
    return (real.clamp(min=floor).log() - other.clamp(min=floor).log()).square().mean(1).sqrt()
