"""Projection by Fourier slice: a projection's spectrum is a central slice of the volume's."""

from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from frazil.geometry import centred_coordinates, frequency_grid, inverse_fourier_transform, turned_back

# Less than 0.5 by more than rounding: 3-4-5 triples put some frequencies of boxes 25 and 50 on Nyquist itself.
_BELOW_NYQUIST = 0.5 - 1e-6
_LINEAR, _BORDER = 0, 1  # as torch numbers grid_sample's modes


@dataclass(frozen=True)
class FourierVolume:
    """Spectrum of a volume, finely sampled by padding, ready to be sliced at any orientation.

    `values` (2, padded, padded, padded // 2 + 1) holds the real and imaginary part, zero frequency at
    padded // 2 on z and y and at 0 on x. `box` is the side of the volume it came from.
    """

    values: Float[Tensor, "2 padded padded half"]
    box: int

    def detach(self) -> "FourierVolume":
        """Same spectrum, cut from the graph that made it."""
        return FourierVolume(self.values.detach(), self.box)


def axis_window(box: int, padded: int, like: Tensor, power: int = 2) -> Float[Tensor, " box"]:
    """What sampling a padded spectrum multiplies the volume by on each axis: sinc, squared for linear interpolation."""
    position = torch.arange(box, device=like.device, dtype=like.dtype) - box // 2
    return torch.sinc(position / padded) ** power


def separable_window(box: int, padded: int, like: Tensor, power: int = 2) -> Float[Tensor, "box box box"]:
    """The same on all three axes."""
    window = axis_window(box, padded, like, power)
    return window[:, None, None] * window[:, None] * window


def to_fourier_volume(volume: Float[Tensor, "box box box"], padding: int = 2) -> FourierVolume:
    """Spectrum of a volume padded to `padding` times its side, with the interpolation's window divided out.

    Source: Fourier slice theorem with gridding correction (Jackson et al., IEEE TMI 10:473, 1991).
    """
    return FourierVolume(padded_spectrum(volume, padding), volume.shape[-1])


def padded_spectrum(
    volume: Float[Tensor, "*batch box box box"], padding: int = 2
) -> Float[Tensor, "*batch 2 padded padded half"]:
    """`FourierVolume.values` of one volume or of many."""
    box = volume.shape[-1]
    padded = padding * box
    before = padded // 2 - box // 2
    flat = volume / separable_window(box, padded, volume)
    shifted = torch.fft.ifftshift(pad(flat, (before, padded - box - before) * 3), dim=(-3, -2, -1))
    centred = torch.fft.fftshift(torch.fft.rfftn(shifted, dim=(-3, -2, -1)), dim=(-3, -2))
    return torch.view_as_real(centred).movedim(-1, -4)


def central_slices(
    spectrum: FourierVolume, rotation: Float[Tensor, "batch 3 3"], box: int | None = None
) -> Complex[Tensor, "batch box half"]:
    """Central slices of a spectrum: the Fourier transforms of the projections along the beam, z.

    `box` is the side of the projections, in the volume's pixels (default: the volume's side). Frequencies at and
    beyond Nyquist are zero: on a square they have no partner in every orientation.
    """
    box = box or spectrum.box
    frequency = frequency_grid(box, device=spectrum.values.device, dtype=spectrum.values.dtype)
    inside = _below_nyquist(box, frequency.device)
    sampled = sample_slices(spectrum, rotation, frequency.flatten(0, 1)[inside])
    slices = sampled.new_zeros(len(rotation), box * (box // 2 + 1))
    return slices.index_copy(1, inside, sampled).unflatten(1, (box, -1))


@cache  # a GPU would be waited for to count them
def _below_nyquist(box: int, device: torch.device) -> Int[Tensor, " points"]:
    """Where, in an image's half spectrum, the frequencies below Nyquist are."""
    inside = frequency_grid(box, device=device).norm(dim=-1) < _BELOW_NYQUIST
    return inside.flatten().nonzero()[:, 0]


def sample_slices(
    spectrum: FourierVolume, rotation: Float[Tensor, "*batch 3 3"], frequency: Float[Tensor, "points xy"]
) -> Complex[Tensor, "*batch points"]:
    """Central slices at some frequencies of the image, in cycles per pixel of the volume, alone."""
    points, mirrored = slice_points(rotation, frequency)
    sampled = sample_spectrum(spectrum.values, points)
    return torch.complex(sampled[0], torch.where(mirrored, -sampled[1], sampled[1]))


def slice_points(
    rotation: Float[Tensor, "*batch 3 3"], frequency: Float[Tensor, "points xy"]
) -> tuple[Float[Tensor, "*batch points xyz"], Bool[Tensor, "*batch points"]]:
    """Where an image's frequencies lie in the volume's spectrum, and which are those of the opposite point.

    Only x >= 0 is stored; the rest is its complex conjugate.
    """
    points = turned_back(frequency, rotation[..., None, :, :])
    mirrored = points[..., 0] < 0
    return torch.where(mirrored[..., None], -points, points), mirrored


def sample_spectrum(
    values: Float[Tensor, "fields padded padded half"], points: Float[Tensor, "*batch points xyz"]
) -> Float[Tensor, "fields *batch points"]:
    """Trilinear samples of a padded spectrum at frequencies in cycles per pixel."""
    # "border": within one sample of Nyquist the nearest sample stands for its periodic partner, not zero.
    sampled = grid_sample(values[None], _grid(points, values), padding_mode="border", align_corners=True)
    return sampled.reshape(-1, *points.shape[:-1])


def spread_samples(
    samples: Float[Tensor, "fields *batch points"],
    points: Float[Tensor, "*batch points xyz"],
    like: Float[Tensor, "fields padded padded half"],
) -> Float[Tensor, "fields padded padded half"]:
    """Adjoint of `sample_spectrum`: every sample on the corners around it, on a grid as of `like`."""
    # What autograd would call; it would sample first, for nothing.
    spread, _ = torch.ops.aten.grid_sampler_3d_backward(
        samples.reshape(1, len(samples), 1, 1, -1),
        like[None],
        _grid(points, like),
        _LINEAR,
        _BORDER,
        True,
        [True, False],
    )
    return spread[0]


def _grid(points: Tensor, values: Tensor) -> Float[Tensor, "1 1 1 points xyz"]:
    """Points as grid_sample has them: -1 and 1 are the centres of the first and last sample (align_corners)."""
    padded, half = values.shape[-2], values.shape[-1]
    origin, scale = _origin_and_scale(padded, half, points.device, points.dtype)
    return ((points * padded + origin) * scale - 1).reshape(1, 1, 1, -1, 3)


@cache  # a GPU would be waited for to take them
def _origin_and_scale(padded: int, half: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    origin, sides = torch.tensor([[0, padded // 2, padded // 2], [half, padded, padded]]).to(device, dtype)
    return origin, 2 / (sides - 1)


def project(
    volume: Float[Tensor, "box box box"], rotation: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, "batch box box"]:
    """Projections of a volume along the beam after turning it by each rotation.

    The sum over voxels along z, in the volume's units times one pixel; relative error about 0.003.
    """
    box = volume.shape[-1]
    fine = inverse_fourier_transform(central_slices(to_fourier_volume(volume, 3), rotation, 2 * box), 2 * box)
    return crop_centre(fine, box)


def crop_centre(image: Float[Tensor, "*batch old old"], box: int) -> Float[Tensor, "*batch box box"]:
    """Central part of an image, its centre kept at `size // 2`."""
    start = image.shape[-1] // 2 - box // 2
    return image[..., start : start + box, start : start + box]


def project_in_real_space(
    volume: Float[Tensor, "box box box"], rotation: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, "batch box box"]:
    """Projections by turning the volume on its grid and summing along z: slow, and the tests' oracle."""
    box = volume.shape[-1]
    target = centred_coordinates(box, 3, device=volume.device, dtype=volume.dtype)
    grid = (turned_back(target, rotation[:, None, None, None]) + box // 2) * (2 / (box - 1)) - 1
    turned = grid_sample(volume.expand(len(rotation), 1, box, box, box), grid, align_corners=True)
    return turned[:, 0].sum(1)
