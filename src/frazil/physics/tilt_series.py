"""How a tilt series is taken: angles, dose, lens, and what they leave of the specimen."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.physics.ctf import CTF, evaluate_ctf

_CRITICAL = (0.245, -1.665, 2.81)
"""Electrons per square angstrom at 300 kV that leave 1/e of what frequency k had: a k^b + c (Grant and Grigorieff,
eLife 4:e06980, 2015, equation 3); at 200 kV 0.8 of them, as they say too."""
_AT_200_KV = 0.8


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
