"""The volume that the images of a tilt series make."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from frazil.geometry import fourier_transform, frequency_grid, hermitian_weight, inverse_fourier_transform
from frazil.physics.backprojection import BackProjection
from frazil.physics.ctf import phase_signs
from frazil.physics.projection import axis_window

_SPREAD = 1e-3  # of the weights: less is rounding
_PRIOR = 0.05  # of the mean weight where images looked: what hardly one has seen stays small

Correction = Literal["none", "phase-flip", "wiener"]


def correcting(transfer: Float[Tensor, "..."], correction: Correction) -> Float[Tensor, "..."]:
    """By what images are multiplied, and by whose square the sum is divided, before they are back-projected.

    Nothing; the sign of what lens and radiation did to them; or all of it, which is Wiener's filter.
    """
    return {"none": torch.ones_like(transfer), "phase-flip": phase_signs(transfer), "wiener": transfer}[correction]


def back_projected(
    images: Complex[Tensor, "tilts box half"],
    factor: Float[Tensor, "tilts box half"],
    rotation: Float[Tensor, "tilts 3 3"],
    seen: Bool[Tensor, "box box half"],
) -> Float[Tensor, "box box box"]:
    """The volume that spectra of one series make in the tomogram's frame: sum f y / (sum f^2 + prior).

    `factor` is of `correcting`. Of what no image has `seen` (not `missing_wedge`) the volume is empty, where noise that
    is cut off at the box's faces would leave a hundredth.
    """
    box = images.shape[-2]
    sums = SliceSums.empty(box, factor)
    sums.add(images * factor, factor.square(), rotation)
    return sums.volume_where(seen)


@dataclass(frozen=True)
class SliceSums:
    """Weighted slices and their weights, added up image by image."""

    sums: BackProjection

    @classmethod
    def empty(cls, box: int, like: Tensor) -> "SliceSums":
        """No images yet, in the precision and on the device of `like`."""
        return cls(BackProjection.empty(box, like))

    def add(
        self,
        weighted: Complex[Tensor, "images box half"],
        weight: Float[Tensor, "images box half"],
        rotation: Float[Tensor, "images 3 3"],
    ) -> None:
        """Add spectra, multiplied by their weights already, seen from where `rotation` says."""
        box = weighted.shape[-2]
        frequency = frequency_grid(box, device=weighted.device, dtype=weight.dtype).flatten(0, 1)
        inside = frequency.norm(dim=-1) < 0.5 - 1e-6
        # Frequencies with x = 0 stand twice in half a plane.
        once = hermitian_weight(box, device=weighted.device).to(weight).expand(box, -1).flatten()[inside] / 2
        slices, weights = once * weighted.flatten(1)[:, inside], once * weight.flatten(1)[:, inside]
        self.sums.add(slices, weights, rotation, frequency[inside])

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added."""
        return not bool(self.sums.sums[2].any())

    def volume(self) -> Float[Tensor, "box box box"]:
        """sum weighted / (sum weight + prior), the prior a small part of the mean weight where images looked."""
        whole = self.sums.symmetrised(torch.eye(3)[None])
        prior = _PRIOR * float(whole.sums[2][whole.sums[2] > 0].mean())
        made = whole.volume(torch.full((whole.box // 2 + 1,), prior))
        return made * axis_window(whole.box, whole.sums.shape[-2], made)[:, None] if self._about_y else made

    @property
    def _about_y(self) -> bool:
        """Whether all images were tilted about y alone: then nothing was interpolated along it, nor is to be undone."""
        weight, centre = self.sums.sums[2], self.sums.sums.shape[-2] // 2
        between = weight[:, (centre + 1) % 2 :: 2].sum()  # rows of the padded grid that no image's own falls on
        return bool(between < _SPREAD * weight.sum())

    def volume_where(self, seen: Bool[Tensor, "box box half"]) -> Float[Tensor, "box box box"]:
        """The same, but for frequencies that no image has seen: there it is empty."""
        return inverse_fourier_transform(fourier_transform(self.volume(), 3) * seen, self.sums.box, 3)

    def joined(self, other: "SliceSums") -> "SliceSums":
        """Of the images of both."""
        return SliceSums(BackProjection(self.sums.sums + other.sums.sums, self.sums.box))
