"""Whole fields of molecules in the images of a tilt series."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import filter_field, rectangle_frequency
from frazil.physics.ctf import CTF
from frazil.physics.micrograph import PlacedParticles, particle_field
from frazil.physics.noise import white_noise
from frazil.physics.projection import FourierVolume
from frazil.physics.subtomograms import Molecules
from frazil.physics.tilt_scheme import TiltScheme
from frazil.physics.tilt_series import TiltSeries


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
