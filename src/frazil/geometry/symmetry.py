"""Point groups in RELION's settings: C and D about z, T, O, and I1 to I4."""

import re

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry.resampling import rotate_volume

_GOLDEN = (1 + 5**0.5) / 2
_OFF_AXIS = (0.36, 0.48, 0.80)  # on no symmetry axis or mirror plane of any group


def _turn(axis: tuple[float, float, float], fold: int) -> Tensor:
    direction = torch.tensor(axis, dtype=torch.float64)
    return roma.rotvec_to_rotmat(direction / direction.norm() * (2 * torch.pi / fold))


def _generators(name: str) -> list[Tensor]:
    """Turns that generate the group, about the axes of RELION's symmetries.cpp."""
    z, x = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)
    cyclic = re.fullmatch(r"([CD])([1-9]\d?)", name)
    if cyclic:
        turns = [_turn(z, int(cyclic[2]))]
        return turns if cyclic[1] == "C" else [*turns, _turn(x, 2)]
    axes = {
        "T": ((z, 3), ((0.0, 2**0.5, 1.0), 2)),
        "O": (((1.0, 1.0, 1.0), 3), (z, 4)),
        "I": (((1.0, 0.0, _GOLDEN), 5), (z, 2)),
        "I1": (((_GOLDEN, 0.0, -1.0), 5), (x, 2)),
        "I2": (((1.0, 0.0, _GOLDEN), 5), (z, 2)),
        "I3": ((z, 5), ((-1.0, 0.0, _GOLDEN), 2)),
        "I4": ((z, 5), ((1.0, 0.0, _GOLDEN), 2)),
    }
    return [_turn(axis, fold) for axis, fold in axes[name]]


def symmetry_rotations(name: str) -> Float[Tensor, "order 3 3"]:
    """All rotations of a point group, the identity first.

    `name` is RELION's: C1, C4, D7, T, O, I1 ... I4 (I means I2). Raises ValueError for any other.
    """
    try:
        generators = _generators(name.upper())
    except KeyError:
        raise ValueError(f"unknown symmetry {name!r}: use C1, C4, D7, T, O, or I1 to I4, as in RELION") from None
    return _closure(generators).float()


def _closure(generators: list[Tensor]) -> Tensor:
    """Every product of the generators (D99 is the largest, with 198)."""
    group = torch.eye(3, dtype=torch.float64)[None]
    while True:
        products = torch.cat([group, *(group @ generator for generator in generators)])
        distance = (products[:, None] - products[None]).abs().amax((-1, -2))
        first = (distance < 1e-6).int().argmax(dim=1) == torch.arange(len(products))
        if first.sum() == len(group):
            return group
        group = products[first]


def asymmetric_unit(
    rotations: Float[Tensor, "count 3 3"], group: Float[Tensor, "order 3 3"], margin_deg: float = 10.0
) -> Float[Tensor, "part 3 3"]:
    """Rotations that are the smallest of their equivalents g R, or within `margin_deg` of it."""
    trace = torch.einsum("gij,nji->ng", group, rotations).clamp(-1, 3)
    angle = torch.rad2deg(torch.acos((trace - 1) / 2))
    return rotations[angle[:, 0] <= angle.amin(dim=1) + margin_deg]


def asymmetric_views(
    rotations: Float[Tensor, "count 3 3"], group: Float[Tensor, "order 3 3"], margin_deg: float = 10.0
) -> Float[Tensor, "part 3 3"]:
    """Poses R of a symmetric particle that stand for all their equivalents R g, whatever their turn in the plane.

    Those whose direction of view is of all equivalent ones the nearest to a direction off every axis, or within
    `margin_deg` of it.
    """
    directions = group.to(rotations) @ rotations.new_tensor(_OFF_AXIS)
    angle = torch.rad2deg(torch.acos((rotations[:, 2] @ directions.T).clamp(-1, 1)))
    return rotations[angle[:, 0] <= angle.amin(dim=1) + margin_deg]


def symmetrise(
    volume: Float[Tensor, "box box box"], rotations: Float[Tensor, "order 3 3"]
) -> Float[Tensor, "box box box"]:
    """Mean of the volume over the rotations of its point group."""
    if len(rotations) == 1:
        return volume
    return torch.stack([rotate_volume(volume, rotation) for rotation in rotations]).mean(0)
