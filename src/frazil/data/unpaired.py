"""What is simulated and what is real, which have nothing to do with each other but their kind."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from frazil.data.micrograph_crops import random_crop


class UnpairedCrops(NamedTuple):
    """Crops of simulated micrographs, where their particles lie, and of real ones that have nothing to do with them."""

    simulated: Float[Tensor, "batch crop crop"]
    mask: Bool[Tensor, "batch crop crop"]
    real: Float[Tensor, "batch crop crop"]


class UnpairedVolumes(NamedTuple):
    """Volumes to be translated, and real ones that have nothing to do with them."""

    simulated: Float[Tensor, "batch box box box"]
    real: Float[Tensor, "batch box box box"]
    label: Int[Tensor, " batch"]
    """Place of each simulated one's structure among the models."""


class UnpairedSampler:
    """Crops from anywhere on simulated micrographs and on real ones, turned and mirrored."""

    def __init__(
        self,
        simulated: Sequence[tuple[Float[Tensor, "_y _x"], Bool[Tensor, "_y _x"]]],
        real: Sequence[Float[Tensor, "_y _x"]],
        crop: int,
    ) -> None:
        for name, images in {"simulated": [image for image, _ in simulated], "real": real}.items():
            least = min(min(image.shape) for image in images)
            if least < crop:
                raise ValueError(f"{name} micrographs of {least} px are too small for crops of {crop}; give --crop")
        self._simulated = [torch.stack([image, mask.float()]) for image, mask in simulated]
        self._real = [image[None] for image in real]
        self._crop = crop

    def draw(self, count: int, generator: torch.Generator) -> UnpairedCrops:
        """Crops by chance, as many of each kind."""
        simulated, real = (
            torch.stack([random_crop(images, self._crop, generator) for _ in range(count)])
            for images in (self._simulated, self._real)
        )
        return UnpairedCrops(simulated[:, 0], simulated[:, 1] > 0.5, real[:, 0])
