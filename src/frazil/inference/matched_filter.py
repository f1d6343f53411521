"""Where on a micrograph something looks like a particle on average, and how strongly."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from frazil.geometry import on_rectangle, random_rotations, rectangle_frequency
from frazil.physics import CTF, FourierVolume, central_slices, image_from_slices

_VIEWS = 128  # of each structure, whose mean is the template
_MARGIN = 4  # times the particle's box: room for what the lens spreads
_SEED = 0
_FEWEST = 60  # coefficients of which a mean is taken
_FADED = 0.125  # of a side, over which a field fades out


def average_view(structures: Sequence[FourierVolume], lens: CTF | None, pixel_size: float) -> Float[Tensor, "box box"]:
    """Mean image of some structures over all orientations under one lens, protein positive."""
    generator = torch.Generator().manual_seed(_SEED)
    box = _MARGIN * max(spectrum.box for spectrum in structures)
    views = [central_slices(spectrum, random_rotations(_VIEWS, generator), box).mean(0) for spectrum in structures]
    mean = torch.stack(views).mean(0, keepdim=True)
    return image_from_slices(mean, torch.zeros(1, 2), lens, pixel_size, box)[0]


def power_curve(
    field: Float[Tensor, "y x"],
    pixel_size: float,
    part: Float[Tensor, "y x"] | None = None,
    fewest: int = _FEWEST,
) -> Float[Tensor, "points 2"]:
    """Radial power spectrum of a field: frequency in 1/angstrom, mean |F|^2 / pixels; its mean is left out.

    Of `part` of it alone, 0 ... 1, if given; of no fewer coefficients at a frequency than `fewest`. It fades out
    towards its edges: opposite ones do not meet, and a gradient would be seen at all frequencies.
    """
    height, width = field.shape
    window = _fading(height)[:, None] * _fading(width)
    if part is not None:
        window = window * part
    faded = window * (field - (window * field).sum() / window.sum())
    power = torch.fft.rfft2(faded).abs().square() / window.square().sum()
    shells = max(field.shape) // 2
    shell = (2 * shells * rectangle_frequency((width, height)).norm(dim=-1)).round().long().flatten()
    inside = shell <= shells
    empty = torch.zeros(shells + 1)
    total = empty.index_add(0, shell[inside], power.flatten()[inside])
    count = empty.index_add(0, shell[inside], torch.ones(int(inside.sum())))
    frequency = torch.arange(shells + 1) / (2 * shells * pixel_size)
    # Coarse shells have too few coefficients for a mean: neighbours share one. Zero frequency is the mean's.
    few = count[1:] < fewest
    coarse = int(torch.nonzero(few).max()) + 1 if few.any() else 0
    group = shells + torch.arange(shells)
    group[:coarse] = (count[1 : coarse + 1].cumsum(0) / fewest).long()
    _, group = torch.unique(group, return_inverse=True)
    sums = [torch.zeros(int(group.max()) + 1).index_add(0, group, values) for values in (total[1:], count[1:])]
    middle = torch.zeros(len(sums[0])).index_add(0, group, (count * frequency)[1:]) / sums[1].clamp(min=1)
    there = sums[1] > 0
    return torch.stack([middle[there], (sums[0] / sums[1].clamp(min=1))[there]], 1)


def _fading(side: int) -> Float[Tensor, " _side"]:
    """A window that rises from 0 and falls to it, each as half a wave of a cosine."""
    edge = ((torch.arange(side) + 0.5) / (_FADED * side)).clamp(max=1)
    return 0.5 - 0.5 * torch.cos(torch.pi * torch.minimum(edge, edge.flip(0)))


@dataclass(frozen=True)
class MatchedFilter:
    """A template and the noise that it stands in, for fields of one size."""

    template: Complex[Tensor, "y half"]
    """Spectrum (`torch.fft.rfft2`) of a field with the template's centre at the first pixel."""
    power: Float[Tensor, "y half"]
    """Of the noise, mean |F|^2 / pixels."""
    strength: float
    """Score of the template itself where it stands once in this noise."""

    @classmethod
    def of(
        cls,
        template: Float[Tensor, "box box"],
        noise: Float[Tensor, "points 2"],
        size: tuple[int, int],
        pixel_size: float,
    ) -> "MatchedFilter":
        """For fields of (x, y) pixels, of a template smaller than they are, in noise of a spectrum (`power_curve`)."""
        box, power = len(template), on_rectangle(noise, size, pixel_size)
        if box > min(size):
            raise ValueError(f"{size[0]} x {size[1]} px are too few: a particle and what the lens spreads take {box}")
        field = torch.zeros(size[1], size[0])
        field[:box, :box] = template
        spectrum = torch.fft.rfft2(field.roll((-(box // 2), -(box // 2)), (0, 1)))
        variance = torch.fft.irfft2(spectrum.abs().square() / power + 0j, s=(size[1], size[0]))[0, 0]
        return cls(spectrum, power, float(variance.sqrt()))

    def score(self, field: Float[Tensor, "y x"]) -> Float[Tensor, "y x"]:
        """Correlation with the template at each pixel, in standard deviations of the noise."""
        product = torch.fft.rfft2(field) * self.template.conj() / self.power
        return torch.fft.irfft2(product, s=field.shape) / self.strength
