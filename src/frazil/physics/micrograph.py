"""Many particles in one field of view, each seen through the lens from its own depth in the ice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from frazil.geometry import Batched
from frazil.physics.ctf import CTF, electron_wavelength
from frazil.physics.image_formation import image_from_slices
from frazil.physics.projection import FourierVolume, central_slices

_SILHOUETTE = 0.1  # of a projection's largest value, above which a pixel is the particle's
_RIPPLES = 8  # px on each side, for what lies beyond the largest distance that the lens moves detail by
_POINTS_AT_ONCE = 2**21  # of the particles' spectra in memory


@dataclass(frozen=True)
class PlacedParticles(Batched):
    """The particles of a micrograph."""

    place: Float[Tensor, "count xy"]
    """Centre in pixels; 0 is the centre of the first pixel, as in RELION's coordinates."""
    depth: Float[Tensor, " count"]
    """Angstrom below the plane that the lens's defocus is that of: what it adds to the defocus."""
    rotation: Float[Tensor, "count 3 3"]
    structure: Int[Tensor, " count"]
    """Which of several structures it is, from 0."""

    def lenses(self, lens: CTF) -> CTF:
        """The CTF of each particle under a lens (a CTF of one row)."""
        every = lens.map(lambda values: values.expand(len(self)))
        return replace(every, defocus_u=every.defocus_u + self.depth, defocus_v=every.defocus_v + self.depth)


@dataclass(frozen=True)
class ParticleField:
    """Particles of one micrograph, x across and y down."""

    image: Float[Tensor, "y x"]
    """What the lens makes of them, protein positive, without noise."""
    projection: Float[Tensor, "y x"]
    """Their projections, as no lens has seen them."""
    mask: Bool[Tensor, "y x"]
    """Where they lie."""


def particle_field(
    structures: Sequence[FourierVolume],
    particles: PlacedParticles,
    lens: CTF | None,
    pixel_size: float,
    size: tuple[int, int],
) -> ParticleField:
    """Particles on a field of (x, y) pixels, in the units of `project`; what reaches over the edge is cut.

    A field is the sum of single images, each in a box that holds what the lens spreads but for its last ripples, which
    are a few thousandths of the image.
    """
    image = torch.zeros(size[1], size[0], device=particles.place.device)
    field = ParticleField(image, image.clone(), torch.zeros_like(image, dtype=torch.bool))
    lenses = None if lens is None else particles.lenses(lens)
    for number, spectrum in enumerate(structures if len(particles) else []):
        box = spectrum.box if lenses is None else spectrum.box + 2 * (delocalisation(lenses, pixel_size) + _RIPPLES)
        box += box % 2
        chunk = max(1, _POINTS_AT_ONCE // box**2)
        for rows in torch.nonzero(particles.structure == number)[:, 0].split(chunk):
            part = particles[rows]
            nearest = part.place.round()
            slices = central_slices(spectrum, part.rotation, box)
            shift = (part.place - nearest) * pixel_size
            corners = (nearest.long() - box // 2).tolist()
            bare = image_from_slices(slices, shift, None, pixel_size, box)
            seen = bare if lenses is None else image_from_slices(slices, shift, lenses[rows], pixel_size, box)
            inside = bare > _SILHOUETTE * bare.amax((-1, -2), keepdim=True)
            for one, (on_field, of_box) in enumerate(_windows(corners, box, size)):
                field.image[on_field] += seen[one][of_box]
                field.projection[on_field] += bare[one][of_box]
                field.mask[on_field] |= inside[one][of_box]
    return field


def delocalisation(ctf: CTF, pixel_size: float) -> int:
    """How many pixels the lens moves detail at Nyquist's frequency at most, of any of the rows.

    |d chi / dk| / 2 pi = lambda defocus k - Cs lambda^3 k^3, in angstrom: largest at Nyquist's frequency, or where its
    derivative vanishes.
    """
    wavelength, cs = electron_wavelength(ctf.voltage_kv.double()), ctf.cs_mm.double().clamp(min=1e-9) * 1e7
    defocus = torch.stack([ctf.defocus_u, ctf.defocus_v], -1).double()
    nyquist = torch.tensor(0.5 / pixel_size, dtype=torch.float64, device=defocus.device)
    turning = (defocus[..., 0].clamp(min=0) / (3 * cs)).sqrt() / wavelength
    spread = [
        wavelength * values * k - cs * wavelength**3 * k**3
        for values in defocus.unbind(-1)
        for k in (nyquist, turning.clamp(max=float(nyquist)))
    ]
    return int(torch.stack(spread).abs().max() / pixel_size) + 1


Window = tuple[slice, slice]


def _windows(corners: list[list[int]], box: int, size: tuple[int, int]) -> Iterator[tuple[Window, Window]]:
    """The part of a field of (x, y) pixels that each box covers, its first pixel at a corner, and that of the box."""
    for corner in corners:
        first = [max(0, start) for start in corner]
        last = [max(0, min(start + box, side)) for start, side in zip(corner, size, strict=True)]
        x, y = (slice(*ends) for ends in zip(first, last, strict=True))
        across, down = (slice(a - c, max(0, b - c)) for a, b, c in zip(first, last, corner, strict=True))
        yield (y, x), (down, across)
