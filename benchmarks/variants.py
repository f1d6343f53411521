"""Choices that CryoGAN's recipe does not have, because they gained nothing: here to be measured again."""

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data import normalise_by_background
from frazil.geometry import Pose, fourier_transform, inverse_fourier_transform, shell_index
from frazil.methods.cryogan import HalfReconstruction
from frazil.physics import FourierVolume, form_images


class SeveralNoises(HalfReconstruction):
    """Each projection, of which there are fewer, stands in several images that differ in their noise alone."""

    each = 4

    def simulate(
        self, spectrum: FourierVolume, count: int, rows: slice, generator: torch.Generator
    ) -> Float[Tensor, "batch box box"]:
        at, few = self.conditions, count // self.each
        pose = Pose(at.rotations.sample(few, generator), at.shifts.sample(few, generator))
        particle = torch.randint(at.particles, (few,), generator=generator, device=generator.device)
        clean = form_images(spectrum, pose, None if at.ctf is None else at.ctf[particle], self.pixel_size, margin=1)
        particle = particle.repeat_interleave(self.each)
        noise = at.noise.sample(particle, self.box, generator)
        scales = self._log_scales()
        images = scales.signal.exp() * clean.repeat_interleave(self.each, 0) + scales.noise.exp() * noise
        ctf = None if at.ctf is None else at.ctf[particle]
        return self.flip_phases(normalise_by_background(images, self._ring), ctf)[rows]


class Preconditioned(HalfReconstruction):
    """Adam's steps, alike for all voxels and so for all shells, are scaled by the shell to a power."""

    power = 0.5

    def _constrain(self, voxels: Float[Tensor, "box box box"], progress: float) -> Float[Tensor, "box box box"]:
        shell = shell_index(self.box, 3, device=voxels.device).clamp(min=1)
        middle = self.box / 6  # where a third of Nyquist's frequency is: steps there stay as they are
        scaled = inverse_fourier_transform(fourier_transform(voxels, 3) * (shell / middle) ** self.power, self.box, 3)
        return super()._constrain(scaled, progress)


class CoarseFirst(Preconditioned):
    """The same the other way round: a map's power falls with frequency, and so do the steps."""

    power = -0.5
