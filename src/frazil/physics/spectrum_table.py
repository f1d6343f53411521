"""A spectrum sampled so finely that the nearest sample will do: slices by the million, for a search to choose among."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn.functional import pad

from frazil.physics.projection import separable_window

_PADDING = 3


@dataclass(frozen=True)
class SpectrumTable:
    """Whole spectrum of a volume padded to three times its side, zero frequency at `padded // 2` on every axis.

    Slices err by about 5 % of their amplitude where those of `sample_slices` do by 1 %, and take a tenth of the time.
    """

    values: Complex[Tensor, " entries"]
    padded: int

    @classmethod
    def of(cls, volume: Float[Tensor, "box box box"]) -> "SpectrumTable":
        """Table of a volume, with what the nearest sample multiplies it by divided out: a sinc on each axis."""
        box = volume.shape[-1]
        padded = _PADDING * box
        before = padded // 2 - box // 2
        flat = pad(volume / separable_window(box, padded, volume, power=1), (before, padded - box - before) * 3)
        spectrum = torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(flat)))
        return cls(spectrum.flatten(), padded)

    def slices(
        self, rotation: Float[Tensor, "*batch 3 3"], frequency: Float[Tensor, "points xy"]
    ) -> Complex[Tensor, "*batch points"]:
        """Central slices at some frequencies of the image, in cycles per pixel of the volume."""
        x, y = (frequency * self.padded).unbind(-1)
        entry, whole = None, torch.int32 if len(self.values) < 2**31 else torch.int64
        for axis in (2, 1, 0):  # z varies slowest
            along_x, along_y = rotation[..., 0, axis, None], rotation[..., 1, axis, None]
            place = torch.addcmul(along_x * x, along_y, y).round_().to(whole)
            entry = place if entry is None else entry.mul_(self.padded).add_(place)
        assert entry is not None
        origin = self.padded // 2
        entry += (origin * self.padded + origin) * self.padded + origin
        return self.values.index_select(0, entry.view(-1)).view(entry.shape)
