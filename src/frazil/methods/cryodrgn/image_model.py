"""What a model of particles tells: what an image says of its structure, and the structure of the image."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.optim import Optimizer

from frazil.geometry import Batched
from frazil.methods.cryodrgn.centred import CentredImages


@dataclass(frozen=True)
class Latents(Batched):
    """What a model makes of images: a normal distribution of each one's latent."""

    mean: Float[Tensor, "batch latent"]
    log_variance: Float[Tensor, "batch latent"]

    @classmethod
    def joined(cls, parts: Sequence["Latents"]) -> "Latents":
        """Those of one image after another."""
        return cls(torch.cat([part.mean for part in parts]), torch.cat([part.log_variance for part in parts]))

    def sample(self, noise: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch latent"]:
        """The draw from each that standard normal noise makes."""
        return self.mean + (0.5 * self.log_variance).exp() * noise


class ImageModel(nn.Module, ABC):
    """A volume for each latent, and a latent for each image.

    `frequency`, of a disc's points, is in cycles per pixel; `precision` is how much an error at each of them counts,
    and may be 0 at first.
    """

    exact: bool
    """Whether latents are as likely as they can be."""

    def forward(
        self,
        images: CentredImages,
        frequency: Float[Tensor, "points xy"],
        precision: Float[Tensor, " points"],
        noise: Float[Tensor, "batch latent"] | None = None,
    ) -> tuple[Latents, Complex[Tensor, "batch points"]]:
        """Each image's latent, and the image expected at it; with standard normal noise, at a draw of it."""
        latents = self.encode(images, frequency, precision)
        return latents, self.expect(latents.mean if noise is None else latents.sample(noise), images, frequency)

    @abstractmethod
    def encode(
        self, images: CentredImages, frequency: Float[Tensor, "points xy"], precision: Float[Tensor, " points"]
    ) -> Latents:
        """Each image's latent."""

    @abstractmethod
    def expect(
        self, latent: Float[Tensor, "batch latent"], images: CentredImages, frequency: Float[Tensor, "points xy"]
    ) -> Complex[Tensor, "batch points"]:
        """The spectrum that each latent's structure should show in the image's place."""

    def optimizer(self) -> Optimizer:
        """What learns the model: Adam, where it knows no better."""
        return torch.optim.Adam(self.parameters())

    def moments(
        self,
        images: CentredImages,
        latents: Latents,
        frequency: Float[Tensor, "points xy"],
        precision: Float[Tensor, " points"],
    ) -> list[Tensor]:
        """Means over these images, for an optimizer that asks more than gradients: none for Adam.

        E[z z^T] (volumes, volumes) of each volume's weight z in an image, and by shell (shells) the sum of CTF squared
        over the noise's power: by how much the loss curves with what an image shows there.
        """
        return []

    @abstractmethod
    def volume(self, latent: Float[Tensor, " latent"]) -> Float[Tensor, "box box box"]:
        """The volume at a latent, without gradient."""
