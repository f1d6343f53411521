"""A tilt series: one specimen seen from many sides, and the volume that its images make."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from frazil.geometry import (
    fourier_transform,
    frequency_grid,
    hermitian_weight,
    inverse_fourier_transform,
    shift_phase,
)
from frazil.physics.backprojection import BackProjection
from frazil.physics.ctf import CTF, evaluate_ctf
from frazil.physics.projection import FourierVolume, central_slices

_CRITICAL = (0.245, -1.665, 2.81)
"""Electrons per square angstrom at 300 kV that leave 1/e of what frequency k had: a k^b + c."""
_AT_200_KV = 0.8
_PRIOR = 0.05  # of the mean weight where images looked: what hardly one has seen stays small


@dataclass(frozen=True)
class TiltSeries:
    """How the images of a series were taken, in any order."""

    rotation: Float[Tensor, "tilts 3 3"]
    """From the tomogram's frame to the microscope's."""
    dose: Float[Tensor, " tilts"]
    """Electrons per square angstrom that the specimen has had in the middle of each exposure."""
    lens: CTF | None
    """A row for each image, at the centre of the tomogram; None for no lens."""
    strength: Float[Tensor, " tilts"] | None = None
    """What each image holds of the signal beside the others, thicker ice less, say; None where all are alike."""

    def __len__(self) -> int:
        return len(self.rotation)

    def transfer(
        self, frequency: Float[Tensor, "y half xy"], depth: Float[Tensor, "batch tilts"]
    ) -> Float[Tensor, "batch tilts y half"]:
        """What lens and radiation leave of what lies so many angstrom below the centre; frequency in 1/angstrom."""
        left = self.dose_envelope(frequency.norm(dim=-1))
        if self.strength is not None:
            left = left * self.strength[:, None, None]
        if self.lens is None:
            return left.expand(len(depth), -1, -1, -1)
        return left * torch.stack([evaluate_ctf(self.lens.at_depth(below), frequency) for below in depth])

    def dose_envelope(self, frequency: Float[Tensor, "y half"]) -> Float[Tensor, "tilts y half"]:
        """What radiation leaves in each image of detail of a frequency's length (1/angstrom)."""
        voltage = 300.0 if self.lens is None else self.lens.voltage_kv[:, None, None]
        return dose_envelope(self.dose[:, None, None], frequency, voltage)


def tilt_rotations(angle_deg: Float[Tensor, " tilts"], axis_deg: float = 0.0) -> Float[Tensor, "tilts 3 3"]:
    """From the tomogram to the microscope: turned about y by each angle, then in the image's plane.

    `axis_deg` is how far the tilt axis, y of the tomogram, is turned from the image's y.
    """
    angle = torch.deg2rad(angle_deg)
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = [angle.cos(), zero, angle.sin(), zero, one, zero, -angle.sin(), zero, angle.cos()]
    tilt = torch.stack(rows, -1).unflatten(-1, (3, 3))
    axis = torch.deg2rad(angle.new_tensor(axis_deg))
    turn = [[axis.cos(), -axis.sin(), 0 * axis], [axis.sin(), axis.cos(), 0 * axis], [0 * axis, 0 * axis, 1 + 0 * axis]]
    return torch.stack([torch.stack(row) for row in turn]) @ tilt


def dose_symmetric(angle_deg: Float[Tensor, " tilts"], dose_of_each: float) -> Float[Tensor, " tilts"]:
    """Dose in the middle of each exposure where the series begins upright and goes on to both sides in turns.

    Source: Hagen, Wan & Briggs, J. Struct. Biol. 197:191, 2017.
    """
    order = torch.argsort(angle_deg.abs(), stable=True)
    dose = torch.empty_like(angle_deg)
    dose[order] = dose_of_each * (torch.arange(len(order)).to(angle_deg) + 0.5)
    return dose


def dose_envelope(
    dose: Float[Tensor, "*#batch"], frequency: Float[Tensor, "*#batch"], voltage_kv: float | Tensor = 300.0
) -> Float[Tensor, "..."]:
    """What radiation leaves of the amplitude at a frequency (1/angstrom): exp(-dose / 2 N(k)).

    Source: Grant & Grigorieff, eLife 4:e06980, 2015, equations 3 and 4.
    """
    scale, power, floor = _CRITICAL
    critical = scale * frequency.clamp(min=1e-6) ** power + floor
    sturdiness = torch.where(torch.as_tensor(voltage_kv) < 250, _AT_200_KV, 1.0)
    return torch.exp(-dose / (2 * sturdiness * critical))


Correction = Literal["none", "phase-flip", "wiener"]


def correcting(transfer: Float[Tensor, "..."], correction: Correction) -> Float[Tensor, "..."]:
    """By what images are multiplied, and by whose square the sum is divided, before they are back-projected.

    Nothing; the sign of what lens and radiation did to them; or all of it, which is Wiener's filter.
    """
    one = torch.ones_like(transfer)
    return {"none": one, "phase-flip": torch.where(transfer < 0, -one, one), "wiener": transfer}[correction]


@dataclass(frozen=True)
class TiltTransfer:
    """What becomes of a particle on its way into each image: where it is seen from, and what of it is left."""

    rotation: Float[Tensor, "batch tilts 3 3"]
    """From the particle's frame to the microscope's."""
    transfer: Float[Tensor, "batch tilts box half"]
    """Lens and radiation."""
    shift: Float[Tensor, "batch tilts xy"]
    """Pixels from the middle of the particle's box."""

    @classmethod
    def of(
        cls,
        series: TiltSeries,
        rotation: Float[Tensor, "batch 3 3"],
        place: Float[Tensor, "batch xyz"],
        box: int,
        pixel_size: float,
        within: Float[Tensor, "batch xyz"] | None = None,
    ) -> "TiltTransfer":
        """For particles turned by `rotation` at places in angstrom from the tomogram's centre.

        A particle above or below that is seen at another defocus in each image. `within` is its offset in
        angstrom from the middle of the box that is cut out around it.
        """
        frequency = frequency_grid(box, pixel_size, device=rotation.device, dtype=rotation.dtype)
        offset = torch.zeros_like(place) if within is None else within
        shift = torch.einsum("tij,bj->bti", series.rotation, offset)[..., :2] / pixel_size
        depth = torch.einsum("tj,bj->bt", series.rotation[:, 2], place)
        return cls(series.rotation @ rotation[:, None], series.transfer(frequency, depth), shift)


def tilt_spectra(spectrum: FourierVolume, through: TiltTransfer) -> Complex[Tensor, "batch tilts box half"]:
    """Noise-free images of a particle in all tilts, as spectra; differentiable with respect to the volume."""
    box = through.transfer.shape[-2]
    batch = through.rotation.shape[:2]
    slices = central_slices(spectrum, through.rotation.flatten(0, 1), box).unflatten(0, batch)
    return slices * through.transfer * shift_phase(through.shift, box)


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
        return whole.volume(torch.full((whole.box // 2 + 1,), prior))

    def volume_where(self, seen: Bool[Tensor, "box box half"]) -> Float[Tensor, "box box box"]:
        """The same, but for frequencies that no image has seen: there it is empty."""
        return inverse_fourier_transform(fourier_transform(self.volume(), 3) * seen, self.sums.box, 3)

    def joined(self, other: "SliceSums") -> "SliceSums":
        """Of the images of both."""
        return SliceSums(BackProjection(self.sums.sums + other.sums.sums, self.sums.box))


def missing_wedge(rotation: Float[Tensor, "tilts 3 3"], box: int) -> Bool[Tensor, "box box half"]:
    """Frequencies of a volume's half spectrum, as `frequency_grid` has them, that no image of a series has seen.

    An image sees what lies within a sample of its slice: no detail of a volume that small is thinner.
    """
    return _unseen(frequency_grid(box, 1.0, 3, device=rotation.device, dtype=rotation.dtype), rotation, 1 / box)


def missing_wedge_of_field(
    rotation: Float[Tensor, "tilts 3 3"], shape: tuple[int, int, int]
) -> Bool[Tensor, "z y half"]:
    """The same of a tomogram's shape (z, y, x), frequencies in the order of `torch.fft.rfftn`."""
    axes = *(torch.fft.fftfreq(side) for side in shape[:2]), torch.fft.rfftfreq(shape[2])
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], -1)
    return _unseen(grid, rotation, 1 / min(shape))


def _unseen(
    frequency: Float[Tensor, "z y half 3"], rotation: Float[Tensor, "tilts 3 3"], thickness: float
) -> Bool[Tensor, "z y half"]:
    """Frequencies that lie farther than a slice's thickness from every slice."""
    nearest = torch.full(frequency.shape[:-1], torch.inf, dtype=frequency.dtype, device=frequency.device)
    for beam in rotation[:, 2]:
        nearest = torch.minimum(nearest, (frequency @ beam).abs())
    return nearest > thickness
