"""Back-projection: the adjoint of taking slices, and the volume that slices of known pose agree on best."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from frazil.physics.projection import sample_spectrum, separable_window, slice_points, spread_samples

_PADDING = 2


@dataclass
class BackProjection:
    """Sums of slices and of their weights on a padded Fourier grid, laid out as `FourierVolume`.

    `sums` (3, padded, padded, padded // 2 + 1): real and imaginary part of the weighted slices, and the weights.
    """

    sums: Float[Tensor, "3 padded padded half"]
    box: int

    @classmethod
    def empty(cls, box: int, like: Tensor) -> "BackProjection":
        """No slices yet, in the precision and on the device of `like`."""
        padded = _PADDING * box
        return cls(like.new_zeros(3, padded, padded, padded // 2 + 1), box)

    def add(
        self,
        slices: Complex[Tensor, "batch points"],
        weight: Float[Tensor, "batch points"],
        rotation: Float[Tensor, "batch 3 3"],
        frequency: Float[Tensor, "points xy"],
    ) -> None:
        """Put slices, each multiplied by its weight already, where their rotations say."""
        points, mirrored = slice_points(rotation, frequency)
        imaginary = torch.where(mirrored, -slices.imag, slices.imag)
        self.sums += spread_samples(torch.stack([slices.real, imaginary, weight]), points, self.sums)

    def symmetrised(self, rotations: Float[Tensor, "order 3 3"]) -> "BackProjection":
        """Same sums as if every slice had been added in all equivalent orientations."""
        whole = self._completed()
        if len(rotations) == 1:
            return BackProjection(whole, self.box)
        frequency = _frequencies(whole)
        inside = frequency.norm(dim=-1) < 0.5
        total = whole.clone()
        for rotation in rotations[1:].to(whole):
            points = frequency[inside] @ rotation.T
            mirrored = points[:, 0] < 0
            values = sample_spectrum(whole, torch.where(mirrored[:, None], -points, points))
            values[1] = torch.where(mirrored, -values[1], values[1])
            total[:, inside] += values
        return BackProjection(total, self.box)

    def _completed(self) -> Tensor:
        """Sums whose plane x = 0 holds at each point what was put at the opposite one."""
        whole = self.sums.clone()
        plane = self.sums[..., 0]
        opposite = plane.flip(1, 2).roll((1, 1), (1, 2)) * plane.new_tensor([1.0, -1.0, 1.0])[:, None, None]
        whole[..., 0] += opposite
        return whole

    def shell_means(self) -> Float[Tensor, " shells"]:
        """Mean weight in each Fourier shell of the box."""
        shell = _shells(self.sums, self.box)
        weight = self.sums[2].flatten()
        total, count = (weight.new_zeros(self.box // 2 + 2) for _ in range(2))
        total.index_add_(0, shell, weight)
        count.index_add_(0, shell, torch.ones_like(weight))
        return (total / count.clamp(min=1))[:-1]

    def volume(self, regularisation: Float[Tensor, " shells"]) -> Float[Tensor, "box box box"]:
        """Volume of least squares with a prior: sums / (weights + regularisation of the shell).

        `regularisation` is the inverse of the volume's expected power, in the units of the weights (Scheres, J. Struct.
        Biol. 180:519, 2012, equation 1); beyond Nyquist's shell the volume is 0.
        """
        padded = self.sums.shape[-2]
        shell = _shells(self.sums, self.box).view(self.sums.shape[1:])
        prior = torch.cat([regularisation, regularisation.new_full((1,), torch.inf)]).to(self.sums)[shell]
        spectrum = torch.complex(self.sums[0], self.sums[1]) / (self.sums[2] + prior).clamp(min=1e-20)
        centred = torch.fft.ifftshift(spectrum, dim=(0, 1))
        image = torch.fft.fftshift(torch.fft.irfftn(centred, s=(padded,) * 3))
        start = padded // 2 - self.box // 2
        cut = (slice(start, start + self.box),) * 3
        return image[cut] / separable_window(self.box, padded, image)


def _frequencies(sums: Tensor) -> Float[Tensor, "padded padded half 3"]:
    """Frequency x, y, z in cycles per pixel of each entry of a padded, centred spectrum."""
    padded, half = sums.shape[-2:]
    centred = (torch.arange(padded).to(sums) - padded // 2) / padded
    positive = torch.arange(half).to(sums) / padded
    return torch.stack(torch.meshgrid(centred, centred, positive, indexing="ij")[::-1], dim=-1)


def _shells(sums: Tensor, box: int) -> Int[Tensor, " entries"]:
    """Shell of the box that each entry is nearest to; box // 2 + 1 for all beyond Nyquist's."""
    return (_frequencies(sums).norm(dim=-1) * box).round().long().clamp(max=box // 2 + 1).flatten()
