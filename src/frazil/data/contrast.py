"""Whether protein is dark or light in raw images, measured."""

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import (
    centred_coordinates,
    fourier_transform,
    frequency_grid,
    inverse_fourier_transform,
)
from frazil.physics import CTF, evaluate_ctf

# Margins for a decision: 5 standard deviations, and a fit with half the misfit of the other sign's. On 101 real
# beta-galactosidase images the misfits are 71 and 900, on 1,522 of apoferritin 8,800 and 35,000; on 101 empty patches
# of the same micrographs 2 and 8.
_CHI_SQUARE = 25.0
_RATIO = 2.0


def contrast_sign(
    images: Float[Tensor, "batch box box"], ctf: CTF | None, pixel_size: float, radius: float
) -> float | None:
    """Sign of protein in the images: 1 light, -1 dark, None where the two cannot be told apart.

    Fits the radial profile of the mean image by a density that is nowhere negative, zero beyond `radius` (angstrom)
    and imaged with the images' CTF, once with each sign, and compares the misfits. The CTF is needed because the
    fringes of a defocused particle are as strong as the particle: the centre of raw apoferritin is lighter than its
    surroundings although its protein is dark.
    """
    box = images.shape[-1]
    observed = _radial_profiles(images)
    error = (observed.std(dim=0) / len(images) ** 0.5).clamp(min=1e-12)
    shells = _imaged_shells(box, ctf, pixel_size, radius)
    predicted = _radial_profiles(shells).T / error[:, None]
    target = observed.mean(dim=0) / error
    light, dark = (_misfit(sign * predicted, 1 / error, target) for sign in (1.0, -1.0))
    if abs(light - dark) < _CHI_SQUARE or max(light, dark) < _RATIO * min(light, dark):
        return None
    return 1.0 if light < dark else -1.0


def _imaged_shells(box: int, ctf: CTF | None, pixel_size: float, radius: float) -> Float[Tensor, "shells box box"]:
    """Rings one pixel wide out to `radius`, each as the mean CTF images it."""
    padded, edge = 2 * box, box // 2 + box % 2  # the centre stays at size // 2
    distance = centred_coordinates(padded, 2).norm(dim=-1).round()
    rings = (distance == torch.arange(int(radius / pixel_size) + 1)[:, None, None]).float()
    spectrum = fourier_transform(rings)
    if ctf is not None:
        spectrum = spectrum * evaluate_ctf(ctf, frequency_grid(padded, pixel_size)).mean(dim=0)
    inside = slice(edge, edge + box)
    return inverse_fourier_transform(spectrum, padded)[:, inside, inside]


def _radial_profiles(images: Float[Tensor, "batch box box"]) -> Float[Tensor, "batch rings"]:
    """Mean of each image over rings one pixel wide about its centre, out to the edge of the box."""
    box = images.shape[-1]
    ring = centred_coordinates(box, 2).norm(dim=-1).round().long().flatten()
    member = torch.nn.functional.one_hot(ring).float()[:, : box // 2]
    return images.flatten(1) @ (member / member.sum(dim=0))


def _misfit(predicted: Tensor, constant: Tensor, target: Tensor) -> float:
    """Chi square of the best non-negative combination of the columns plus a free constant."""
    from scipy.optimize import nnls

    columns = torch.cat([predicted, constant[:, None], -constant[:, None]], dim=1)
    return nnls(columns.double().numpy(), target.double().numpy())[1] ** 2
