"""Two maps aligned over rotation, shift and hand: exhaustively at low resolution, then refined."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import (
    asymmetric_unit,
    fourier_crop,
    rotation_angle,
    rotation_grid,
    soft_sphere,
    symmetry_rotations,
)
from frazil.io import Map
from frazil.metrics.fsc import FSC, fourier_shell_correlation
from frazil.metrics.resampling import fit_box, mirror_volume, move_volume, on_grid, same_pixel_size
from frazil.metrics.rigid_search import (
    Candidates,
    Coefficients,
    climb,
    correlation_coefficient,
    exhaustive_search,
    moving_spectra,
    reference_coefficients,
)

_LARGEST_BOX = 96  # larger maps are Fourier-cropped for the search: 0.1 degree needs no finer detail
_FIRST_SHELL = 6  # with it the score's peaks are about as wide as the grid's spacing of 15 degrees
_GRID_ORDER = 2
_STARTS = 48  # for each hand
_STEPS = 6


@dataclass(frozen=True)
class Alignment:
    """Motion of a map onto a reference: mirrored first where it is so, then turned, then moved."""

    rotation: Float[Tensor, "3 3"]
    """On xyz columns, about the centre `box // 2`."""
    shift: Float[Tensor, " 3"]
    """x, y, z in angstrom, after the turn."""
    mirrored: bool
    """Whether the map is of the other hand, and so goes through z -> -z first."""
    score: float
    """Correlation of the aligned maps inside a soft sphere, up to 0.9 Nyquist."""


def align(
    moving: Float[Tensor, "box box box"],
    reference: Float[Tensor, "box box box"],
    pixel_size: float,
    symmetry: str = "C1",
) -> Alignment:
    """Best alignment of `moving` onto `reference` over all rotations, shifts and both hands.

    `symmetry` is the point group of the reference about its box's centre: only one of the equivalent rotations is
    searched, and the smallest is returned. Raises ValueError for maps that are not finite.
    """
    spectra, coefficients = _prepare(moving, reference)
    group = symmetry_rotations(symmetry)
    rotations = asymmetric_unit(rotation_grid(_GRID_ORDER), group).to(moving.device)
    low = coefficients.up_to(_FIRST_SHELL)
    winners = []
    for matrices in (rotations, rotations @ _mirror(rotations)):
        starts = exhaustive_search(spectra, low, matrices).best_apart(_STARTS, angle=20.0)
        winners.append(_climb_in_stages(spectra, coefficients, starts))
    best = max(winners, key=lambda winner: float(winner.score))
    return _as_alignment(best, (spectra, coefficients), moving.shape[-1] * pixel_size, group)


def refine_alignment(
    moving: Float[Tensor, "box box box"],
    reference: Float[Tensor, "box box box"],
    pixel_size: float,
    start: Alignment,
) -> Alignment:
    """Alignment near `start`, of the same hand: right when the start is within about ten degrees of it."""
    spectra, coefficients = _prepare(moving, reference)
    length = moving.shape[-1] * pixel_size
    matrix = start.rotation.to(moving.device, torch.float32)
    matrix = matrix @ _mirror(matrix) if start.mirrored else matrix
    shift = start.shift.to(matrix) / length
    candidate = Candidates(matrix[None], shift[None], matrix.new_zeros(1))
    best = _climb_in_stages(spectra, coefficients, candidate)
    return _as_alignment(best, (spectra, coefficients), length, symmetry_rotations("C1"))


def apply_alignment(
    volume: Float[Tensor, "box box box"], alignment: Alignment, pixel_size: float
) -> Float[Tensor, "box box box"]:
    """Volume on the reference's grid after the alignment's mirror, turn and shift."""
    volume = mirror_volume(volume) if alignment.mirrored else volume
    return move_volume(volume, alignment.rotation, alignment.shift / pixel_size)


def align_to_grid(
    moving: Float[Tensor, "old old old"],
    pixel_size: float,
    reference: Float[Tensor, "box box box"],
    reference_pixel_size: float,
    symmetry: str = "C1",
) -> tuple[Float[Tensor, "box box box"], Alignment]:
    """Map of any box and pixel size on the reference's grid, aligned in a box that holds both."""
    box, room = reference.shape[-1], math.ceil(moving.shape[-1] * pixel_size / reference_pixel_size)
    room = max(moving.shape[-1] if same_pixel_size(pixel_size, reference_pixel_size) else room, box)
    moving = on_grid(moving, pixel_size, room, reference_pixel_size)
    alignment = align(moving, fit_box(reference, room), reference_pixel_size, symmetry)
    return fit_box(apply_alignment(moving, alignment, reference_pixel_size), box), alignment


def truth_fsc(found: Map, truth: Map) -> FSC:
    """Fourier shell correlation of a reconstruction, whose pose and hand are anyhow, with the truth."""
    aligned, _ = align_to_grid(found.volume, found.pixel_size, truth.volume, truth.pixel_size)
    return fourier_shell_correlation(aligned, truth.volume, truth.pixel_size)


def rotation_distance(first: Float[Tensor, "3 3"], second: Float[Tensor, "3 3"], symmetry: str = "C1") -> float:
    """Angle in degrees between two rotations onto a reference of a point group, over its equivalent ones."""
    group = symmetry_rotations(symmetry).to(first)
    return float(rotation_angle(group @ first, second.to(first).expand(len(group), 3, 3)).min())


def _prepare(moving: Tensor, reference: Tensor) -> tuple[Tensor, Coefficients]:
    for name, volume in (("moving", moving), ("reference", reference)):
        if not bool(torch.isfinite(volume).all()):
            raise ValueError(f"the {name} map cannot be aligned: it holds values that are not finite")
    if moving.shape != reference.shape:
        raise ValueError(f"a map of {len(moving)} voxels a side cannot be aligned to one of {len(reference)}")
    box = min(moving.shape[-1], _LARGEST_BOX)
    last_shell = max(1, int(0.45 * box))
    spectra = moving_spectra(_masked(moving, box), last_shell)
    return spectra, reference_coefficients(_masked(reference, box), last_shell)


def _masked(volume: Tensor, box: int) -> Tensor:
    """Map inside a soft sphere, less the mean just inside its surface: a step there would look like density."""
    volume = fourier_crop(volume.detach().float(), box, 3)
    inside = soft_sphere(box, 0.45 * box, 0.05 * box, device=volume.device)
    rim = inside - soft_sphere(box, 0.38 * box, 0.05 * box, device=volume.device)
    return (volume - (volume * rim).sum() / rim.sum()) * inside


def _mirror(like: Tensor) -> Tensor:
    return torch.diag(like.new_tensor([1.0, 1.0, -1.0]))


def _climb_in_stages(spectra: Tensor, coefficients: Coefficients, candidates: Candidates) -> Candidates:
    """The best candidate, refined with twice as many shells and fewer rivals at each stage."""
    last, shell = int(coefficients.shell.max()), _FIRST_SHELL
    while True:
        shell = min(shell, last)
        candidates = climb(spectra, coefficients.up_to(shell), candidates, _STEPS)
        if shell == last:
            return candidates[candidates.score.argmax()[None]]
        shell *= 2
        candidates = candidates.best_apart(max(2, 2 * _STARTS // shell), angle=3.0)


def _as_alignment(best: Candidates, maps: tuple[Tensor, Coefficients], length: float, group: Tensor) -> Alignment:
    """The equivalent of the winner with the smallest turn, in angstrom."""
    score = float(correlation_coefficient(*maps, best))
    matrix, shift = best.matrix[0].double().cpu(), best.shift[0].double().cpu()
    mirrored = bool(torch.linalg.det(matrix) < 0)
    rotation = matrix @ _mirror(matrix) if mirrored else matrix
    equivalents = group.double() @ rotation
    smallest = int(equivalents.diagonal(dim1=-2, dim2=-1).sum(-1).argmax())
    shift = group[smallest].double() @ shift * length
    return Alignment(equivalents[smallest].float(), shift.float(), mirrored, score)
