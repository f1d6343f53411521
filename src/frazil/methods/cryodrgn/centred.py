"""Images as the networks are shown them: in the centre, upright, the signs that the lens reversed put right."""

from dataclasses import dataclass, replace

import roma
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from frazil.data import ImageBatch
from frazil.geometry import (
    Batched,
    Pose,
    centred_coordinates,
    euler_to_rotation,
    fourier_transform,
    inverse_fourier_transform,
    phase_ramp,
    rotation_to_euler,
    soft_sphere,
)
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
    """For the encoder: the particle's circle, phases flipped, for there the lens has not spread what it shows; the
    image is turned in its plane until psi is 0."""

    def moved(self, by: Float[Tensor, "batch 5"], frequency: Float[Tensor, "points xy"]) -> "CentredImages":
        """The same images by poses a little off: turned by as many radians, shifted by as many pixels."""
        spectrum = self.spectrum * phase_ramp(-by[:, 3:], frequency)
        return replace(self, spectrum=spectrum, rotation=_turned(self.rotation, by))


def _turned(rotation: Float[Tensor, "batch 3 3"], by: Float[Tensor, "batch 5"]) -> Float[Tensor, "batch 3 3"]:
    return roma.rotvec_to_rotmat(by[:, :3]) @ rotation


class Centring:
    """Moves particles to the centre, on the device of its disc."""

    def __init__(self, data: ParticleImages, pose: Pose, radius: float) -> None:
        """`radius` of the particle in pixels."""
        self.data, self.pose, self.radius = data, pose, radius
        self.disc = FourierDisc.of(data.box, like=pose.shift.new_empty(data.box))
        circle = soft_sphere(data.box, radius, _EDGE * radius, 2).to(pose.shift)
        self._within = circle > 0
        self._circle = circle[self._within]
        self._points = centred_coordinates(data.box, 2).to(circle)[self._within]

    @property
    def pixels(self) -> int:
        """How many pixels the circle has."""
        return len(self._circle)

    def __call__(self, batch: ImageBatch) -> CentredImages:
        """Some images, centred."""
        inside, box = self.disc.inside, self.data.box
        rows, images = batch.rows.to(inside.device), batch.images.to(self._circle)
        back = phase_ramp(-self.pose.shift[rows] / self.data.pixel_size, self.disc.frequency)
        spectrum = fourier_transform(images)[:, inside] * back
        ctf = self.data.transfer(rows, self.disc)
        flat = spectrum.new_zeros(len(rows), *inside.shape)
        flat[:, inside] = spectrum * ctf.sign()
        rotation = self.pose.rotation[rows]
        euler = rotation_to_euler(rotation)
        upright = euler_to_rotation(euler * euler.new_tensor([1.0, 1.0, 0.0]))
        pixels = self._circle_of(inverse_fourier_transform(flat, box), rotation @ upright.mT)
        return CentredImages(spectrum / box, ctf, rotation, pixels)

    def _circle_of(
        self, images: Float[Tensor, "batch box box"], turn: Float[Tensor, "batch 3 3"]
    ) -> Float[Tensor, "batch pixels"]:
        """The circle's pixels where an image lies that was turned back in its plane."""
        box = self.data.box
        where = torch.einsum("bij,pj->bpi", turn[:, :2, :2], self._points)
        grid = (where + box // 2) * (2 / (box - 1)) - 1  # grid_sample's -1 and 1 are the centres of its ends
        turned = torch.nn.functional.grid_sample(images[:, None], grid[:, None], align_corners=True)
        return turned[:, 0, 0] * self._circle

    def move(self, rows: Int[Tensor, " batch"], by: Float[Tensor, "batch 5"]) -> None:
        """Change some poses, in place, as `CentredImages.moved` does."""
        self.pose.rotation[rows] = _turned(self.pose.rotation[rows], by)
        self.pose.shift[rows] += by[:, 3:] * self.data.pixel_size

    def with_pose(self, pose: Pose) -> "Centring":
        """The same by other poses."""
        return Centring(self.data, pose, self.radius)

    def to(self, device: torch.device) -> "Centring":
        """The same on a device; images follow batch by batch."""
        return Centring(self.data.to(device), self.pose.to(device), self.radius)
