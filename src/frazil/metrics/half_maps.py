"""From two half maps to the one that is shown."""

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import fourier_transform, inverse_fourier_transform, shell_index
from frazil.metrics.fsc import FSC


def combine_half_maps(
    first: Float[Tensor, "box box box"], second: Float[Tensor, "box box box"], fsc: FSC
) -> Float[Tensor, "box box box"]:
    """Mean of two aligned half maps, each shell weighted by what it is worth and cut where the FSC ends.

    C_ref = sqrt(2 FSC / (1 + FSC)), the expected correlation of the mean with the truth (Rosenthal & Henderson 2003,
    equation 14); zero from the shell where the FSC first falls below 0.143.
    """
    box = first.shape[-1]
    correlation = fsc.correlation.to(first.device).clamp(min=0)
    weight = (2 * correlation / (1 + correlation)).sqrt()
    below = torch.nonzero(correlation[1:] < 0.143).flatten()
    if len(below):
        weight[int(below[0]) + 1 :] = 0
    weight[0] = 1
    shell = shell_index(box, 3, device=first.device)
    # The corners of the spectrum, beyond the last shell, hold no signal.
    weight = torch.cat([weight, weight.new_zeros(1)])[shell.clamp(max=box // 2 + 1)]
    return inverse_fourier_transform(fourier_transform((first + second) / 2, 3) * weight, box, 3)
