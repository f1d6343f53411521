"""Real micrographs as networks see them: at the scale of the particle, flat, their noise of variance 1."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from frazil.geometry import fourier_resize

_ROUNDING = 1.001  # times as many pixels as there are, which are taken for as many
MAD = 1.4826
"""Standard deviations of a normal distribution in a median absolute deviation."""


@dataclass(frozen=True)
class ScaledMicrograph:
    """A micrograph at another pixel size."""

    name: str
    """Of its file, without folder."""
    image: Float[Tensor, "y x"]
    scale: Float[Tensor, " xy"]
    """Its pixels in one of the file's, along x and y."""

    def to_scale(self, places: np.ndarray) -> Float[Tensor, "count xy"]:
        """Places of the file's pixels, in this image's."""
        # The image's first pixel covers the file's first few: half pixels beyond the centres both begin at one edge.
        return (torch.from_numpy(places).float().reshape(-1, 2) + 0.5) * self.scale - 0.5

    def to_file(self, places: Float[Tensor, "count xy"]) -> np.ndarray:
        """The way back."""
        return ((places + 0.5) / self.scale - 0.5).double().numpy()


def scaled_micrograph(
    name: str, raw: Float[Tensor, "_rows _columns"], diameter_px: float, wanted_px: float, flat: float = 1.0
) -> ScaledMicrograph:
    """A micrograph on which a particle is `diameter_px` wide, scaled so that it is `wanted_px` wide, and flattened.

    Slow changes, over more than `flat` particles, are taken off; then the median is 0 and the noise has variance 1.
    ValueError where it has fewer pixels than are wanted.
    """
    height, width = raw.shape
    factor = wanted_px / diameter_px
    if factor > _ROUNDING:
        raise ValueError(
            f"{name}: a particle is {diameter_px:.3g} px wide, not {wanted_px:g} or more; give a smaller --particle-px"
        )
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    image = fourier_resize(raw, size) if factor < 1 else raw
    return ScaledMicrograph(
        name, flattened(image, flat * wanted_px), torch.tensor(size) / torch.tensor([width, height])
    )


def flattened(image: Float[Tensor, "y x"], blur_px: float) -> Float[Tensor, "y x"]:
    """An image less itself with a Gaussian blur, its median 0, its noise of variance 1, outliers cut."""
    values = image.double().numpy()
    values = values - ndimage.gaussian_filter(values, blur_px, mode="nearest")
    values = values - np.median(values)
    deviation = MAD * np.median(np.abs(values))
    return torch.from_numpy(np.clip(values / max(deviation, 1e-12), -6, 6)).float()
