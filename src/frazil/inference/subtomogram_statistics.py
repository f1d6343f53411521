"""What unlabelled subtomograms tell of how they were taken: range of tilts, noise, lens, how strong molecules are."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from scipy.optimize import nnls
from torch import Tensor

from frazil.geometry import centred_coordinates, fourier_transform, frequency_grid, shell_index

_AT_ONCE = 64  # volumes that are transformed together
_BAND = 0.15, 0.45  # cycles per voxel in the plane across the tilt axis, where the wedge shows
_BIN = 2.0  # degrees
_WITHIN = 5  # directions
_AHEAD = 4  # directions that must all be dark: between two images there may be fewer that none has seen
_MIDDLE = 1.5  # of the deviations of a Gaussian that fit into a molecule, by which the middle is weighed
_EDGE = 0.5  # of the power just within, at which the wedge begins


def radial_profile(volumes: Float[Tensor, "count box box box"]) -> Float[Tensor, " radii"]:
    """Mean square of volumes by the distance from their middle, in voxels, to that of a face; less each one's mean."""
    box = volumes.shape[-1]
    volumes = volumes - volumes.mean((1, 2, 3), keepdim=True)
    place = centred_coordinates(box, 3).norm(dim=-1).round().long().flatten()
    square = volumes.double().square().mean(0).flatten()
    total, count = (torch.zeros(int(place.max()) + 1, dtype=torch.float64) for _ in range(2))
    total.index_add_(0, place, square)
    count.index_add_(0, place, torch.ones_like(square))
    return (total / count)[: box // 2 + 1]


def strength_of(
    signal: Float[Tensor, " radii"], noise: Float[Tensor, " radii"], real: Float[Tensor, " radii"]
) -> float:
    """How much of the profile of signal there is in that of real volumes, the rest noise; not less than nothing.

    Least squares over all voxels, of which there are more the farther out. Noise has a profile too: a reconstruction
    does not treat the middle of its box and its faces alike. By how much depends on what is not known, the step from
    tilt to tilt above all, so noise may also rise or fall by the square of the distance.
    """
    distance = torch.arange(len(real), dtype=torch.float64)
    weight = distance.clamp(min=0.5)  # the root of the voxels at a distance
    tapered = noise * (distance / len(real)) ** 2
    parts = torch.stack([signal, noise, tapered, -tapered], 1) * weight[:, None]
    found, _ = nnls(parts.numpy(), (real * weight).numpy())
    return float(found[0])


def power_beside(volumes: Float[Tensor, "count box box box"], radius: float) -> Float[Tensor, " shells"]:
    """Mean power in each Fourier shell, from 0 to Nyquist's, of what lies beyond `radius` voxels of the middle."""
    return _power_by_shell(volumes, (~_ball(volumes.shape[-1], radius)).to(volumes)).float()


class Powers(NamedTuple):
    """Mean power of volumes by Fourier shell, in the middle, where molecules are, and beside it."""

    within: Float[Tensor, " shells"]
    beside: Float[Tensor, " shells"]


def powers(volumes: Float[Tensor, "count box box box"], radius: float) -> Powers:
    """Of molecules that reach `radius` voxels from the middle."""
    box = volumes.shape[-1]
    distance = centred_coordinates(box, 3).norm(dim=-1)
    middle = torch.exp(-0.5 * (_MIDDLE * distance / radius).square())
    return Powers(_power_by_shell(volumes, middle), _power_by_shell(volumes, (~_ball(box, radius)).to(volumes)))


def signal_misfit(signal: Powers, noise: Powers, real: Powers) -> float:
    """How far the spectrum of what real volumes' middle has beyond noise is from that of a signal of any strength.

    Root mean square over shells, in units of the noise's power there. How much more noise the middle has than what is
    beside it is known to a factor that all shells share. The coarsest shell is left out, which a volume's mean and what
    windows spill decide.
    """
    ratio = noise.within / noise.beside
    shells = slice(2, len(ratio) - 1)
    expected = (ratio * real.beside)[shells]
    beyond = real.within[shells] / expected - 1
    parts = torch.stack([(signal.within - ratio * signal.beside)[shells] / expected, torch.ones_like(expected)], 1)
    found = torch.linalg.lstsq(parts, beyond[:, None]).solution
    return float((beyond - (parts @ found)[:, 0]).square().mean().sqrt())


def tilt_range(volumes: Float[Tensor, "count box box box"]) -> tuple[float, float]:
    """First and last direction seen, in degrees about y: where, from the upright image outwards, power falls to half of
    what it is just within, and does not rise again soon, as behind a gap between images. A few volumes' images beyond
    are no part of the range.

    An image's slice is as thick as a voxel of the spectrum is wide: the directions reach beyond the images themselves.
    """
    mean, middle = power_by_direction(volumes)
    upright = int((middle < 0).sum())
    return _edge(mean[:upright].flip(0), middle[:upright].flip(0)), _edge(mean[upright:], middle[upright:])


def weighting(
    real: Float[Tensor, "count box box box"], made: Float[Tensor, "made box box box"], between: tuple[float, float]
) -> float:
    """The power of the cosine of an image's tilt by which simulated ones would have to be multiplied as well.

    Of the directions between two tilts, in degrees, by which both have been seen.
    """
    (power, angle), (own, _) = power_by_direction(real), power_by_direction(made)
    inside = (angle > between[0]) & (angle < between[1])
    cosine = torch.deg2rad(angle[inside]).cos().clamp(min=0.1).square().log()
    ratio = (power[inside] / own[inside]).log()
    return float(((ratio - ratio.mean()) * (cosine - cosine.mean())).sum() / (cosine - cosine.mean()).square().sum())


def power_by_direction(
    volumes: Float[Tensor, "count box box box"],
) -> tuple[Float[Tensor, " directions"], Float[Tensor, " directions"]]:
    """Mean power of detail by the tilt at which an image sees it, and those tilts, in degrees."""
    box = volumes.shape[-1]
    power = _mean_power(volumes, torch.ones(box, box, box))
    x, _, z = frequency_grid(box, 1.0, 3).unbind(-1)
    length = torch.hypot(x, z)
    band = (length > _BAND[0]) & (length < _BAND[1])
    # The slice that an image tilted by a sees holds the frequencies whose z is x tan a.
    angle = torch.rad2deg(torch.atan(z / torch.where(x.abs() < 1e-9, 1e-9, x)))
    bins = int(180 / _BIN)
    place = ((angle[band] + 90) / _BIN).long().clamp(0, bins - 1)
    total, count = (torch.zeros(bins, dtype=torch.float64) for _ in range(2))
    total.index_add_(0, place, power[band])
    count.index_add_(0, place, torch.ones_like(power[band]))
    filled = (count > 0).nonzero()[:, 0]
    return total[filled] / count[filled], _BIN * (filled + 0.5) - 90


def _edge(power: Float[Tensor, " outwards"], angle: Float[Tensor, " outwards"]) -> float:
    """Angle at which power falls to half of what is just within, between two directions' middles."""
    for place in range(1, len(power)):
        half = _EDGE * power[max(0, place - _WITHIN) : place].mean()
        if power[place : place + _AHEAD].max() < half:
            inner, outer = power[place - 1], power[place]
            part = ((inner - half) / (inner - outer)).clamp(0, 1)
            return float(angle[place - 1] + part * (angle[place] - angle[place - 1]))
    return float(angle[-1])


def _mean_power(
    volumes: Float[Tensor, "count box box box"], weight: Float[Tensor, "box box box"]
) -> Float[Tensor, "box box half"]:
    """Mean |F|^2 per voxel that counts, of volumes whose weighted mean is taken off."""
    total = torch.zeros(*weight.shape[:2], weight.shape[2] // 2 + 1, dtype=torch.float64)
    for some in volumes.split(_AT_ONCE):
        mean = (some * weight).sum((1, 2, 3), keepdim=True) / weight.sum()
        total += fourier_transform((some - mean) * weight, 3).abs().square().double().sum(0)
    return total / (len(volumes) * float(weight.square().sum()))


def _power_by_shell(
    volumes: Float[Tensor, "count box box box"], weight: Float[Tensor, "box box box"]
) -> Float[Tensor, " shells"]:
    """From 0 to Nyquist's."""
    box = volumes.shape[-1]
    shell = shell_index(box, 3).clamp(max=box // 2 + 1).flatten()
    total, count = (torch.zeros(box // 2 + 2, dtype=torch.float64) for _ in range(2))
    total.index_add_(0, shell, _mean_power(volumes, weight).flatten())
    count.index_add_(0, shell, torch.ones(shell.shape, dtype=torch.float64))
    return (total / count)[:-1]


def _ball(box: int, radius: float) -> Bool[Tensor, "box box box"]:
    ball = centred_coordinates(box, 3).norm(dim=-1) <= radius
    if bool(ball.all()) or not math.isfinite(radius):
        raise ValueError(f"molecules of {radius:.1f} voxels fill a box of {box}: nothing is left beside them")
    return ball
