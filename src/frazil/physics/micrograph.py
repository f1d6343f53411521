"""Many particles in one field of view, each seen through the lens from its own depth in the ice."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from scipy.fft import next_fast_len
from torch import Tensor

from frazil.geometry import Batched, rectangle_frequency
from frazil.physics.ctf import CTF, ctf_phase, electron_wavelength
from frazil.physics.envelope import b_factor_envelope
from frazil.physics.image_formation import image_from_slices
from frazil.physics.projection import FourierVolume, central_slices

_SILHOUETTE = 0.1  # of a projection's largest value, above which a pixel is the particle's
_ROOM = 1.25  # of a structure's box, in which it is projected
_RIPPLES = 8  # px on each side, for what lies beyond the largest distance that the lens moves detail by
_INTERPOLATED = 1e-2  # of the finest detail, by which it may be off what each particle's own depth would give
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
        return lens.map(lambda values: values.expand(len(self))).at_depth(self.depth)


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

    Each is seen at its own depth: what a lens makes of any depth is interpolated between a few of them, to one
    or two thousandths of the image, so that a field takes as many transforms as there are of those.
    """
    # Interpolated slices give each projection faint ghosts around it, which would come in over the edge of a box as
    # small as the particle.
    box = math.ceil(_ROOM * max(spectrum.box for spectrum in structures) / 2) * 2
    depths, shares = _depths(particles, lens, pixel_size)
    layers = torch.zeros(len(depths), size[1] + box, size[0] + box, device=particles.place.device)
    mask = torch.zeros_like(layers[0], dtype=torch.bool)
    for rows, bare in _projections(structures, particles, pixel_size, box):
        inside = bare > _SILHOUETTE * bare.amax((-1, -2), keepdim=True)
        # The layers reach half a box beyond the field on all sides: a particle's box begins where its centre is.
        corners = particles.place[rows].round().long().tolist()
        for one, (x, y) in enumerate(corners):
            window = (slice(y, y + box), slice(x, x + box))
            layers[:, *window].addcmul_(shares[rows[one], :, None, None], bare[one])
            mask[window] |= inside[one]
    edge = box // 2
    on_field = (slice(edge, edge + size[1]), slice(edge, edge + size[0]))
    projection = layers.sum(0)[on_field]
    image = projection if lens is None else _seen(layers, lens, depths, pixel_size)[on_field]
    return ParticleField(image, projection, mask[on_field])


def _projections(
    structures: Sequence[FourierVolume], particles: PlacedParticles, pixel_size: float, box: int
) -> Iterator[tuple[Int[Tensor, " rows"], Float[Tensor, "rows box box"]]]:
    """Rows of particles, and their projections where they are between the pixels."""
    for number, spectrum in enumerate(structures):
        rows = torch.nonzero(particles.structure == number)[:, 0]
        for some in rows.split(max(1, _POINTS_AT_ONCE // box**2)) if len(rows) else []:
            part = particles[some]
            shift = (part.place - part.place.round()) * pixel_size
            slices = central_slices(spectrum, part.rotation, box)
            yield some, image_from_slices(slices, shift, None, pixel_size, box)


def _depths(
    particles: PlacedParticles, lens: CTF | None, pixel_size: float
) -> tuple[Float[Tensor, " depths"], Float[Tensor, "particles depths"]]:
    """Depths at which a field is imaged, and what share of each particle's image each of them has.

    Chebyshev's nodes and Lagrange's polynomials, whose error is a^n / (2^(n-1) n!) where the phase differs by a radians
    between the middle and the ends: a hundredth at Nyquist's frequency, and less by k^2n at coarser detail.
    """
    depth = particles.depth.double()
    middle, half = (
        (0.0, 0.0) if not len(depth) else (float(depth.max() + depth.min()) / 2, float(depth.max() - depth.min()) / 2)
    )
    if lens is None or half == 0:
        return depth.new_full((1,), middle), particles.depth.new_ones(len(depth), 1)
    radians = math.pi * float(electron_wavelength(lens.voltage_kv.double())) * half / (2 * pixel_size) ** 2
    count = 2
    while radians**count / (2 ** (count - 1) * math.factorial(count)) > _INTERPOLATED:
        count += 1
    nodes = middle + half * torch.cos(math.pi * (torch.arange(count).to(depth) + 0.5) / count)
    apart = nodes[:, None] - nodes
    apart.fill_diagonal_(1)
    factors = ((depth[:, None, None] - nodes) / apart).masked_fill(torch.eye(count, device=depth.device) > 0, 1)
    return nodes, factors.prod(-1).to(particles.depth)


def _seen(
    layers: Float[Tensor, "depths y x"], lens: CTF, depths: Float[Tensor, " depths"], pixel_size: float
) -> Float[Tensor, "y x"]:
    """The sum of layers, each seen at its depth; beyond the edges there is nothing."""
    height, width = layers.shape[-2:]
    # What is spread over one edge comes in at the opposite one, into the margin.
    ends = (depths.min().float(), depths.max().float())
    spread = max(delocalisation(lens.at_depth(end), pixel_size) for end in ends) + _RIPPLES
    rows, columns = (next_fast_len(side + spread, real=True) for side in (height, width))
    frequency = rectangle_frequency((columns, rows), pixel_size).to(layers)
    # Depths differ by a few radians: what is lost to single precision is no more than an image has.
    phase = ctf_phase(lens, frequency)[0].remainder(2 * math.pi).to(layers)
    square = frequency.square().sum(-1)
    each_angstrom = math.pi * float(electron_wavelength(lens.voltage_kv.double())) * square
    total = torch.zeros(frequency.shape[:-1], dtype=torch.complex64, device=layers.device)
    for layer, depth in zip(layers, depths.tolist(), strict=True):
        total += torch.fft.rfft2(layer, s=(rows, columns)) * torch.sin(phase + depth * each_angstrom)
    total *= b_factor_envelope(lens.b_factor.to(layers), square)
    return torch.fft.irfft2(total, s=(rows, columns))[:height, :width]


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
