"""What the critic is shown of an image, real and simulated alike."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.geometry import (
    centred_coordinates,
    fourier_transform,
    frequency_grid,
    inverse_fourier_transform,
    shell_index,
)

_SHARE = 0.9  # of the shells: in the last ones slices are rough, and the corners beyond them no volume reaches


def last_shell(box: int) -> int:
    """The finest Fourier shell that the critic is shown, and that the volume holds."""
    return int(_SHARE * box / 2)


def within_disc(images: Float[Tensor, "*any box box"], ndim: int = 2) -> Float[Tensor, "*any box box"]:
    """Images, or a volume, without the finest detail of their box.

    Real images that were cropped have signal in the corners of their spectrum, where a volume in a sphere has none.
    Shown those, a critic learns nothing else.
    """
    box = images.shape[-1]
    shell = shell_index(box, ndim, device=images.device)
    return inverse_fourier_transform(fourier_transform(images, ndim) * (shell <= last_shell(box)), box, ndim)


def without_nyquist(images: Float[Tensor, "batch box box"]) -> Float[Tensor, "batch box box"]:
    """Images of an even box without the row and the column of the Nyquist frequency.

    Cropped real images have nothing there: where simulated ones have noise, a critic learns nothing else.
    """
    box = images.shape[-1]
    if box % 2:
        return images
    at_edge = (frequency_grid(box, device=images.device).abs() >= 0.5 - 1e-6).any(-1)
    return inverse_fourier_transform(fourier_transform(images) * ~at_edge, box)


def smooth(images: Float[Tensor, "batch box box"], sigma: float) -> Float[Tensor, "batch box box"]:
    """Images blurred by a Gaussian of standard deviation `sigma` pixels."""
    if sigma <= 0:
        return images
    box = images.shape[-1]
    square = frequency_grid(box, device=images.device).square().sum(-1)
    blur = torch.exp(-2 * (torch.pi * sigma) ** 2 * square)
    return inverse_fourier_transform(fourier_transform(images) * blur, box)


def dihedral_sources(box: int, device: torch.device) -> Int[Tensor, "8 pixels"]:
    """For each flip and quarter turn about the origin `box // 2`, the pixel that each pixel takes its value from.

    On an even box the row and column at the far edge have no partner; they wrap around, so that the origin stays.
    """
    turn = torch.tensor([[0, -1], [1, 0]])
    flip = torch.tensor([[-1, 0], [0, 1]])
    matrices = [torch.linalg.matrix_power(turn, power) for power in range(4)]
    matrices += [matrix @ flip for matrix in matrices]
    centred = centred_coordinates(box, 2).long()
    sources = (centred[None] @ torch.stack(matrices)[:, None] + box // 2) % box  # the transpose is the inverse
    return (sources[..., 1] * box + sources[..., 0]).flatten(1).to(device)


def dihedral(
    images: Float[Tensor, "batch box box"], sources: Int[Tensor, "8 pixels"], element: Int[Tensor, " batch"]
) -> Float[Tensor, "batch box box"]:
    """Each image flipped and turned by its element of the dihedral group of the square."""
    return images.flatten(1).gather(1, sources[element]).view_as(images)
