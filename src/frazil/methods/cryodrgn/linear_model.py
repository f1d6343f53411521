"""Volumes that are a mean and a sum of others, mixed by the latent itself: probabilistic principal components.

As 3-D variability analysis has them (Punjani & Fleet, J. Struct. Biol. 213:107702, 2021). An image's latent has then a
posterior in closed form, which takes the place of an encoder; the volumes follow the gradient of the same bound.
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from frazil.geometry import soft_sphere
from frazil.methods.cryodrgn.centred import CentredImages
from frazil.methods.cryodrgn.image_model import ImageModel, Latents
from frazil.methods.cryodrgn.shell_newton import ShellNewton
from frazil.physics import padded_spectrum, sample_spectrum, slice_points

_EDGE = 0.1  # of the radius, over which the particle's sphere fades
_START = 1e-12  # by which components differ from nothing, until it is known what counts


class LinearModel(ImageModel):
    """The mean volume and the components, in a box around the particle."""

    exact = True
    support: Tensor

    def __init__(self, box: int, radius: float, latent_dim: int, beta: float, images: int) -> None:
        """`radius` of the particle in pixels, beyond which nothing is; `images` that are learnt from.

        `beta` weighs the latent's divergence from a standard normal distribution.
        """
        super().__init__()
        self.box, self._beta, self._images = box, beta, images
        side = min(box, 2 * math.ceil((1 + _EDGE) * radius) + 2)
        self.register_buffer("support", soft_sphere(side, radius, _EDGE * radius) > 0, persistent=False)
        volumes = _START * torch.randn(1 + latent_dim, side, side, side)
        volumes[0] = 0.0
        self.volumes = nn.Parameter(volumes)

    def forward(
        self,
        images: CentredImages,
        frequency: Float[Tensor, "points xy"],
        precision: Float[Tensor, " points"],
        noise: Float[Tensor, "batch latent"] | None = None,
    ) -> tuple[Latents, Complex[Tensor, "batch points"]]:
        with torch.autocast(images.ctf.device.type, enabled=False):
            seen = self._seen(images, frequency)
            latents = self._posterior(images, seen.detach(), precision)
            return latents, _mixed(seen, latents.mean if noise is None else latents.sample(noise))

    def encode(
        self, images: CentredImages, frequency: Float[Tensor, "points xy"], precision: Float[Tensor, " points"]
    ) -> Latents:
        return self(images, frequency, precision)[0]

    def expect(
        self, latent: Float[Tensor, "batch latent"], images: CentredImages, frequency: Float[Tensor, "points xy"]
    ) -> Complex[Tensor, "batch points"]:
        return _mixed(self._seen(images, frequency), latent)

    def _seen(
        self, images: CentredImages, frequency: Float[Tensor, "points xy"]
    ) -> Complex[Tensor, "volumes batch points"]:
        """Each volume's slice in each image's place."""
        points, mirrored = slice_points(images.rotation, frequency)
        real, imaginary = (
            sample_spectrum(padded_spectrum(self.volumes / self.box).flatten(0, 1), points)
            .unflatten(0, (-1, 2))
            .unbind(1)
        )
        return torch.complex(real, torch.where(mirrored, -imaginary, imaginary)) * images.ctf

    def _posterior(
        self, images: CentredImages, seen: Complex[Tensor, "volumes batch points"], precision: Float[Tensor, " points"]
    ) -> Latents:
        """The likeliest latent, and the variance of each number of it where the others are known.

        Source: Bishop, Pattern Recognition and Machine Learning, section 12.2.4; the prior's weight is beta.
        """
        weight = precision.sqrt()
        left = torch.view_as_real((images.spectrum.detach() - seen[0]) * weight).flatten(1)
        shown = torch.view_as_real(seen[1:].movedim(0, 1) * weight).flatten(2)
        curvature = shown @ shown.mT + self._beta * torch.eye(shown.shape[1]).to(shown)
        mean = torch.linalg.solve(curvature, shown @ left[..., None])[..., 0]
        return Latents(mean, (self._beta / curvature.diagonal(dim1=1, dim2=2)).log())

    def optimizer(self) -> ShellNewton:
        return ShellNewton(self.volumes, self.support, self.box, self._images)

    @torch.no_grad()
    def moments(
        self,
        images: CentredImages,
        latents: Latents,
        frequency: Float[Tensor, "points xy"],
        precision: Float[Tensor, " points"],
    ) -> list[Tensor]:
        shell = (frequency.norm(dim=-1) * self.box).round().long()
        shown = precision.new_zeros(self.box // 2 + 1)
        shown.index_add_(0, shell, (images.ctf.square() * precision).mean(0))
        weight = torch.cat([torch.ones_like(latents.mean[:, :1]), latents.mean], 1)
        second = weight.mT @ weight / len(weight)
        second.diagonal()[1:] += latents.log_variance.exp().mean(0)
        return [second, shown]

    @torch.no_grad()
    def volume(self, latent: Float[Tensor, " latent"]) -> Float[Tensor, "box box box"]:
        side = len(self.support)
        inside = slice(self.box // 2 - side // 2, self.box // 2 - side // 2 + side)
        whole = self.volumes.new_zeros(self.box, self.box, self.box)
        whole[inside, inside, inside] = self.volumes[0] + torch.tensordot(latent, self.volumes[1:], dims=1)
        return whole


def _mixed(
    seen: Complex[Tensor, "volumes batch points"], latent: Float[Tensor, "batch latent"]
) -> Complex[Tensor, "batch points"]:
    return seen[0] + (latent.T[..., None] * seen[1:]).sum(0)
