"""Images as the networks are shown them: the particle in the centre, the signs that the lens reversed put right."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from frazil.data import ImageBatch
from frazil.geometry import Batched, Pose, fourier_transform, inverse_fourier_transform, phase_ramp, soft_sphere
from frazil.inference import FourierDisc, ParticleImages

_EDGE = 0.1  # of its radius, over which the circle fades


@dataclass(frozen=True)
class CentredImages(Batched):
    """Images of particles that were moved to the centre, and how each was taken."""

    spectrum: Complex[Tensor, "batch points"]
    """At a disc's frequencies; white noise of variance 1 in each pixel has power 1."""
    ctf: Float[Tensor, "batch points"]
    rotation: Float[Tensor, "batch 3 3"]
    pixels: Float[Tensor, "batch pixels"]
    """Within the particle's circle, phases flipped: there the lens has not spread what it shows."""


class Centring:
    """Moves particles to the centre, on the device of its disc."""

    def __init__(self, data: ParticleImages, pose: Pose, radius: float) -> None:
        """`radius` of the particle in pixels."""
        self.data, self.pose, self.radius = data, pose, radius
        self.disc = FourierDisc.of(data.box, like=pose.shift.new_empty(data.box))
        self._circle = soft_sphere(data.box, radius, _EDGE * radius, 2).to(pose.shift)

    @property
    def pixels(self) -> int:
        """How many pixels the circle has."""
        return int(self._within.sum())

    @property
    def _within(self) -> Bool[Tensor, "box box"]:
        return self._circle > 0

    def __call__(self, batch: ImageBatch) -> CentredImages:
        """Some images, centred."""
        inside, box = self.disc.inside, self.data.box
        rows, images = batch.rows.to(inside.device), batch.images.to(self._circle)
        back = phase_ramp(-self.pose.shift[rows] / self.data.pixel_size, self.disc.frequency)
        spectrum = fourier_transform(images)[:, inside] * back
        ctf = self.data.transfer(rows, self.disc)
        flat = spectrum.new_zeros(len(rows), *inside.shape)
        flat[:, inside] = spectrum * ctf.sign()
        pixels = (inverse_fourier_transform(flat, box) * self._circle)[:, self._within]
        return CentredImages(spectrum / box, ctf, self.pose.rotation[rows], pixels)

    def to(self, device: torch.device) -> "Centring":
        """The same on a device; images follow batch by batch."""
        return Centring(self.data.to(device), self.pose.to(device), self.radius)
