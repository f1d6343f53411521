"""Volumes that depend on a latent, by their spectrum: as a network of coordinates, or as a sum of volumes."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from frazil.geometry import frequency_grid, inverse_fourier_transform, shell_index, soft_sphere
from frazil.nets import FrequencyEncoding, residual_mlp
from frazil.physics import sample_spectrum, slice_points, to_fourier_volume

_POINTS_AT_ONCE = 2**16


class FourierDecoder(nn.Module, ABC):
    """The spectrum of a volume of side `box`, over that side, for each latent; frequencies in cycles per pixel."""

    def __init__(self, box: int) -> None:
        super().__init__()
        self.box = box

    @abstractmethod
    def spectrum(
        self, latent: Float[Tensor, "batch latent"], points: Float[Tensor, "batch points xyz"]
    ) -> Complex[Tensor, "batch points"]:
        """Coefficients at frequencies of x >= 0; the rest is their conjugate."""

    def slices(
        self,
        latent: Float[Tensor, "batch latent"],
        rotation: Float[Tensor, "batch 3 3"],
        frequency: Float[Tensor, "points xy"],
    ) -> Complex[Tensor, "batch points"]:
        """Each latent's central slice at its own rotation: the spectrum of its projection."""
        points, mirrored = slice_points(rotation, frequency)
        values = self.spectrum(latent, points)
        return torch.complex(values.real, torch.where(mirrored, -values.imag, values.imag))

    @abstractmethod
    def volume(self, latent: Float[Tensor, " latent"]) -> Float[Tensor, "box box box"]:
        """The volume at a latent, without gradient."""


class CoordinateDecoder(FourierDecoder):
    """cryoDRGN's: a residual network of the encoded frequency and the latent (Zhong et al., ICLR 2020, section 3.1).

    What the latent adds to the first layer is the same at all frequencies of an image, so it is found once.
    """

    def __init__(self, box: int, encoding: FrequencyEncoding, latent_dim: int, width: int, depth: int) -> None:
        super().__init__(box)
        self.encoding = encoding
        network = residual_mlp(encoding.width, width, depth, 2)
        self.first, self.rest = network[0], network[1:]
        # Networks that begin with nothing do not agree on what none of them was told.
        for parameter in network[-1].parameters():
            nn.init.zeros_(parameter)
        self.of_latent = nn.Linear(latent_dim, width, bias=False) if latent_dim else None

    def spectrum(
        self, latent: Float[Tensor, "batch latent"], points: Float[Tensor, "batch points xyz"]
    ) -> Complex[Tensor, "batch points"]:
        hidden = self.first(self.encoding(points))
        if self.of_latent is not None:
            hidden = hidden + self.of_latent(latent)[:, None]
        return torch.view_as_complex(self.rest(hidden).to(points).contiguous())

    @torch.no_grad()
    def volume(self, latent: Float[Tensor, " latent"]) -> Float[Tensor, "box box box"]:
        grid = frequency_grid(self.box, ndim=3, device=latent.device, dtype=latent.dtype)
        inside = shell_index(self.box, 3, device=latent.device) <= (self.box - 1) // 2
        parts = [self.spectrum(latent[None], part[None])[0] for part in grid[inside].split(_POINTS_AT_ONCE)]
        whole = torch.zeros(inside.shape, dtype=parts[0].dtype, device=latent.device)
        spectrum = whole.masked_scatter(inside, torch.cat(parts)) * self.box
        return inverse_fourier_transform(spectrum, self.box, 3)


class BasisDecoder(FourierDecoder):
    """A mean volume and some others, by what a small network makes of the latent: fast, and linear in its volumes.

    As in 3-D variability analysis (Punjani & Fleet, J. Struct. Biol. 213:107702, 2021), but on a curved path.
    """

    sphere: Tensor

    def __init__(self, box: int, radius: float, latent_dim: int, rank: int, width: int) -> None:
        """`radius` of the particle in pixels: nothing is beyond."""
        super().__init__(box)
        self.volumes = nn.Parameter(torch.zeros(rank + 1 if latent_dim else 1, box, box, box))
        self.weights = residual_mlp(latent_dim, width, 1, rank) if latent_dim else None
        self.register_buffer("sphere", soft_sphere(box, radius, 0.1 * radius))

    def spectrum(
        self, latent: Float[Tensor, "batch latent"], points: Float[Tensor, "batch points xyz"]
    ) -> Complex[Tensor, "batch points"]:
        values = torch.cat([to_fourier_volume(volume * self.sphere / self.box).values for volume in self.volumes])
        sampled = sample_spectrum(values, points).unflatten(0, (-1, 2))
        mixed = torch.einsum("br,rcbp->bpc", self._mixture(latent), sampled)
        return torch.view_as_complex(mixed.contiguous())

    def _mixture(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch volumes"]:
        one = latent.new_ones(len(latent), 1)
        return one if self.weights is None else torch.cat([one, self.weights(latent)], 1)

    @torch.no_grad()
    def volume(self, latent: Float[Tensor, " latent"]) -> Float[Tensor, "box box box"]:
        return torch.tensordot(self._mixture(latent[None])[0], self.volumes * self.sphere, dims=1)
