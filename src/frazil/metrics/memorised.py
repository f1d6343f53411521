"""Noise that comes back: a generator that has learnt its training noise by heart repeats it."""

from collections.abc import Sequence
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor


def largest_correlation(images: Sequence[Float[Tensor, "y x"]]) -> float:
    """Largest correlation coefficient of any two images of one size, at any shift (wrapped around).

    Independent noise of n pixels comes to about sqrt(2 ln(n) / n), once for each pair more.
    """
    spectra = []
    for image in images:
        centred = image - image.mean()
        spectra.append(torch.fft.rfft2(centred / centred.norm().clamp(min=1e-12)))
    found = [torch.fft.irfft2(one * other.conj(), s=images[0].shape).max() for one, other in combinations(spectra, 2)]
    return float(torch.stack(found).max()) if found else 0.0
