"""The images of a particle in a tilt series."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from frazil.geometry import frequency_grid, shift_phase
from frazil.physics.projection import FourierVolume, central_slices
from frazil.physics.tilt_series import TiltSeries


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
