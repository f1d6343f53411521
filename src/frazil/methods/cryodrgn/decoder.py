"""A volume that depends on a latent, by its spectrum: a network of coordinates."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from frazil.geometry import frequency_grid, inverse_fourier_transform, shell_index
from frazil.nets import FrequencyEncoding, residual_mlp
from frazil.physics import slice_points

_POINTS_AT_ONCE = 2**16


class CoordinateDecoder(nn.Module):
    """cryoDRGN's: a residual network of the encoded frequency and the latent (Zhong et al., ICLR 2020, section 3.1).

    Its values are the spectrum of a volume of side `box`, over that side; frequencies are in cycles per pixel. What the
    latent adds to the first layer is the same at all frequencies of an image, so it is found once.
    """

    def __init__(self, box: int, encoding: FrequencyEncoding, latent_dim: int, width: int, depth: int) -> None:
        super().__init__()
        self.box = box
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
        """Coefficients at frequencies of x >= 0; the rest is their conjugate."""
        hidden = self.first(self.encoding(points))
        if self.of_latent is not None:
            hidden = hidden + self.of_latent(latent)[:, None]
        return torch.view_as_complex(self.rest(hidden).to(points).contiguous())

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

    @torch.no_grad()
    def volume(self, latent: Float[Tensor, " latent"]) -> Float[Tensor, "box box box"]:
        """The volume at a latent, without gradient."""
        grid = frequency_grid(self.box, ndim=3, device=latent.device, dtype=latent.dtype)
        inside = shell_index(self.box, 3, device=latent.device) <= (self.box - 1) // 2
        parts = [self.spectrum(latent[None], part[None])[0] for part in grid[inside].split(_POINTS_AT_ONCE)]
        whole = torch.zeros(inside.shape, dtype=parts[0].dtype, device=latent.device)
        spectrum = whole.masked_scatter(inside, torch.cat(parts)) * self.box
        return inverse_fourier_transform(spectrum, self.box, 3)
