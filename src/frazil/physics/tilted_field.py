"""Whole fields of molecules in a tilt series, and the tomogram that its images make."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import filter_field, rectangle_frequency
from frazil.physics.ctf import CTF, evaluate_ctf, phase_signs
from frazil.physics.micrograph import PlacedParticles, particle_field
from frazil.physics.noise import white_noise
from frazil.physics.projection import FourierVolume
from frazil.physics.subtomograms import Molecules
from frazil.physics.tilt_scheme import TiltScheme
from frazil.physics.tilt_series import TiltSeries

_AT_ONCE = 8  # sections of a tomogram that are filled together


@dataclass(frozen=True)
class TiltedFieldImaging:
    """How the images of a field are taken."""

    scheme: TiltScheme
    pixel_size: float
    size: tuple[int, int]
    """Pixels, x and y, the tilt axis y."""

    def clean(
        self, structures: Sequence[FourierVolume], molecules: Molecules, lens: CTF | None
    ) -> Float[Tensor, "tilts y x"]:
        """Every tilt without noise, protein positive: each molecule where it is seen, through the lens at its depth.

        The lens is a CTF of one row.
        """
        series = self.scheme.series(lens)
        return torch.stack([self._tilt(structures, molecules, series, tilt) for tilt in range(len(series))])

    def upright(
        self, structures: Sequence[FourierVolume], molecules: Molecules, lens: CTF | None
    ) -> Float[Tensor, "y x"]:
        """The one of these that is tilted least."""
        return self._tilt(structures, molecules, self.scheme.series(lens), int(self.scheme.angles.abs().argmin()))

    def noise(self, power: Float[Tensor, "y half"] | None, generator: torch.Generator) -> Float[Tensor, "tilts y x"]:
        """Noise of every tilt, of standard deviation 1 upright; `power` by frequency, its mean 1, None for white."""
        amplitude = None if power is None else power.sqrt()
        made = []
        for strength in self.scheme.relative_noise:
            white = white_noise((self.size[1], self.size[0]), generator)
            made.append(strength * (white if amplitude is None else filter_field(white, amplitude)))
        return torch.stack(made)

    def _tilt(
        self, structures: Sequence[FourierVolume], molecules: Molecules, series: TiltSeries, tilt: int
    ) -> Float[Tensor, "y x"]:
        rotation = series.rotation[tilt]
        seen = molecules.place @ rotation.T
        # Tilted, what lies high or low in the ice moves over the edge, from where it may still reach in.
        edge = max(spectrum.box for spectrum in structures)
        width, height = self.size
        place = seen[:, :2] / self.pixel_size + torch.tensor([width // 2 + edge, height // 2 + edge])
        sides = torch.tensor([width, height]) + 2 * edge
        near = ((place > 0) & (place < sides - 1)).all(1)
        placed = PlacedParticles(place, seen[:, 2], rotation @ molecules.rotation, molecules.structure)[near]
        lens = None if series.lens is None else series.lens[tilt : tilt + 1]
        field = particle_field(structures, placed, lens, self.pixel_size, (width + 2 * edge, height + 2 * edge))
        image = field.image[edge : edge + height, edge : edge + width]
        frequency = rectangle_frequency(self.size, self.pixel_size).norm(dim=-1)
        return filter_field(image, series.dose_envelope(frequency)[tilt])


def phase_flipped(
    images: Float[Tensor, "tilts y x"], lens: CTF | None, pixel_size: float
) -> Float[Tensor, "tilts y x"]:
    """Images with the signs put right that the lens reversed at the tomogram's centre."""
    if lens is None:
        return images
    size = (images.shape[-1], images.shape[-2])
    sign = phase_signs(evaluate_ctf(lens, rectangle_frequency(size, pixel_size))[0])
    return torch.stack([filter_field(image, sign) for image in images])


def weighted_back_projection(
    images: Float[Tensor, "tilts y x"], angle_deg: Float[Tensor, " tilts"], depth: int
) -> Float[Tensor, "depth y x"]:
    """The tomogram that images tilted about y make: each is weighted by |k_x| and smeared along its beam.

    The images' weights add up to those of a whole turn, so that a density comes out in its own units where its detail
    was seen. Source: Radermacher, in Electron Tomography (Frank, ed.), 2006, equations 8.12 and 8.15.
    """
    height, width = images.shape[-2:]
    ramp = rectangle_frequency((width, height))[..., 0].abs()
    # Between two slices that are a step apart lies |k| times the step: that is each image's share of frequency space.
    step = torch.deg2rad((angle_deg.max() - angle_deg.min()) / max(1, len(angle_deg) - 1))
    columns = torch.stack([filter_field(image, step * ramp).T.contiguous() for image in images])
    angle = torch.deg2rad(angle_deg)
    x = torch.arange(width) - width // 2
    tomogram = torch.zeros(depth, height, width)
    for start in range(0, depth, _AT_ONCE):
        z = torch.arange(start, min(depth, start + _AT_ONCE)) - depth // 2
        slab = torch.zeros(len(z) * width, height)
        for column, tilt in zip(columns, angle, strict=True):
            at = (x * tilt.cos() + z[:, None] * tilt.sin() + width // 2).flatten()
            below = at.floor()
            for place, share in ((below, below + 1 - at), (below + 1, at - below)):
                inside = (place >= 0) & (place < width)
                slab += (share * inside)[:, None] * column[place.long().clamp(0, width - 1)]
        tomogram[start : start + len(z)] = slab.view(len(z), width, height).mT
    return tomogram
