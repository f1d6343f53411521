"""Molecules that are not all alike: the structures of a data set, and the number that tells each from the others.

The kinds are those by which methods for heterogeneity are judged (CryoBench, Jeon et al., NeurIPS 2024): a dihedral
angle that turns all the way round, a motion along a line, assemblies that lack some of their chains, and a few
structures apart from each other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations, islice
from typing import Literal

import roma
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from frazil.data.scatterers import Scatterers
from frazil.geometry import random_rotations

_CONTACT = 0.02  # share of a part's scatterers, those nearest to the other part, that the hinge is the mean of
_SWING = 45.0  # degrees between the moving part and the axis about which it turns
_LACKING = 0.5  # share of the parts that an assembly may lack, at most
_OPENING = 60.0  # degrees by which a discrete structure's moving part is turned at most

Kind = Literal["none", "dihedral", "motion", "mixture", "discrete"]
_USUAL_STATES = {"none": 1, "dihedral": 100, "motion": 100, "mixture": 16, "discrete": 10}


@dataclass(frozen=True)
class Heterogeneity:
    """How the molecules of a data set differ."""

    heterogeneity: Kind = "none"
    """dihedral: a part turns all the way round on its hinge; motion: it moves out along a line; mixture: chains are
    missing; discrete: a part stands in a few random ways. Of an atomic model or the pseudo-protein."""
    states: int | None = None
    """Number of structures; default 100 for dihedral and motion, 16 for a mixture, 10 discrete ones."""
    moving: str | None = None
    """Chains that move, as in A,B (domains 1 to 5 of the pseudo-protein); the last one if not given."""
    travel: float = 25.0
    """How far the part moves by a motion, in angstrom."""

    def __post_init__(self) -> None:
        if self.states is not None and self.states < 1:
            raise ValueError(f"--states must be positive, it is {self.states}")
        if self.states is not None and self.heterogeneity == "none":
            raise ValueError(f"--states {self.states}: give a --heterogeneity by which they differ")
        if not self.travel > 0:
            raise ValueError(f"--travel must be positive, it is {self.travel:g}")

    @property
    def count(self) -> int:
        """How many structures there are."""
        return self.states or _USUAL_STATES[self.heterogeneity]


@dataclass(frozen=True)
class Structure:
    """One of the structures of a molecule."""

    molecule: Scatterers
    latent: float
    """Degrees of a dihedral, angstrom of a motion, else the structure's number, from 1."""
    what: str
    """The same in words."""


def structures(molecule: Scatterers, how: Heterogeneity, seed: int) -> list[Structure]:
    """Every structure, in the order of its latent; ValueError where the molecule has not the parts for it."""
    if how.heterogeneity == "none":
        return [Structure(molecule, 1.0, "the only one")]
    if len(molecule.parts) < 2:
        raise ValueError(
            f"--heterogeneity {how.heterogeneity} needs two chains, the model has {molecule.parts[0]} alone"
        )
    if how.heterogeneity == "mixture":
        return _assemblies(molecule, how.count, seed)
    makers: dict[str, Callable[[Scatterers, Bool[Tensor, " count"], Heterogeneity, int], list[Structure]]]
    makers = {"dihedral": _turned, "motion": _moved_out, "discrete": _apart}
    return makers[how.heterogeneity](molecule, molecule.belongs_to(_moving(molecule, how.moving)), how, seed)


def _moving(molecule: Scatterers, names: str | None) -> tuple[str, ...]:
    moving = (molecule.parts[-1],) if names is None else tuple(name.strip() for name in names.split(","))
    known = ", ".join(molecule.parts)
    for name in moving:
        if name not in molecule.parts:
            raise ValueError(f"--moving {names}: the model has no {name!r}, only {known}")
    if set(moving) == set(molecule.parts):
        raise ValueError(f"--moving {names}: nothing stays where it is; the model has {known}")
    return moving


def _turned(molecule: Scatterers, moving: Tensor, how: Heterogeneity, seed: int) -> list[Structure]:
    """The moving part all the way round an axis that leans away from it, through its hinge."""
    hinge, outward = _hinge(molecule, moving)
    arm = torch.nn.functional.normalize(molecule.positions[moving].mean(0) - hinge, dim=0)
    side = torch.linalg.cross(arm, torch.eye(3)[arm.abs().argmin()])
    lean = outward - (outward @ arm) * arm
    across = torch.nn.functional.normalize(lean if lean.norm() > 0.1 else side, dim=0)
    angle = math.radians(_SWING)
    axis = math.cos(angle) * arm + math.sin(angle) * across
    degrees = [360.0 * state / how.count for state in range(how.count)]
    turns = roma.rotvec_to_rotmat(torch.deg2rad(torch.tensor(degrees))[:, None] * axis)
    return [
        Structure(_placed(molecule, moving, turn, hinge), at, f"turned by {at:g} degrees")
        for turn, at in zip(turns, degrees, strict=True)
    ]


def _moved_out(molecule: Scatterers, moving: Tensor, how: Heterogeneity, seed: int) -> list[Structure]:
    """The moving part further and further away from the rest."""
    outward = _hinge(molecule, moving)[1]
    lengths = torch.linspace(0, how.travel, how.count)
    return [
        Structure(
            _placed(molecule, moving, torch.eye(3), torch.zeros(3), length * outward),
            float(length),
            f"moved by {length:.1f} angstrom",
        )
        for length in lengths
    ]


def _apart(molecule: Scatterers, moving: Tensor, how: Heterogeneity, seed: int) -> list[Structure]:
    """The moving part turned on its hinge at random, the first as it was."""
    hinge = _hinge(molecule, moving)[0]
    generator = torch.Generator().manual_seed(seed)
    axes = random_rotations(how.count, generator)[:, 2]
    angles = math.radians(_OPENING) * (0.5 + 0.5 * torch.rand(how.count, 1, generator=generator))
    angles[0] = 0
    turns = roma.rotvec_to_rotmat(angles * axes)
    return [
        Structure(_placed(molecule, moving, turn, hinge), float(number), f"turned by {math.degrees(angle):.0f} degrees")
        for number, (turn, angle) in enumerate(zip(turns, angles[:, 0].tolist(), strict=True), 1)
    ]


def _assemblies(molecule: Scatterers, count: int, seed: int) -> list[Structure]:
    """The whole molecule, then as many others as are asked for, each without some of its parts."""
    parts = molecule.parts
    most = max(1, math.floor(_LACKING * len(parts)))
    sizes = (sum(1 for _ in islice(combinations(parts, lack), count)) for lack in range(most + 1))
    if (there := sum(sizes)) < count:
        raise ValueError(f"--states {count}: leaving out up to {most} of {len(parts)} chains gives only {there}")
    generator = torch.Generator().manual_seed(seed)
    chosen: dict[tuple[str, ...], None] = {parts: None}
    while len(chosen) < count:
        lacking = int(torch.randint(1, most + 1, (), generator=generator))
        out = set(torch.randperm(len(parts), generator=generator)[:lacking].tolist())
        chosen[tuple(name for place, name in enumerate(parts) if place not in out)] = None
    return [
        Structure(molecule.only(kept), float(number), f"chains {', '.join(kept)}")
        for number, kept in enumerate(chosen, 1)
    ]


def _hinge(molecule: Scatterers, moving: Bool[Tensor, " count"]) -> tuple[Float[Tensor, " xyz"], Float[Tensor, " xyz"]]:
    """Where the moving part meets the rest, and the direction in which it leaves it."""
    part, rest = molecule.positions[moving], molecule.positions[~moving]
    ends = [_nearest(own, other.mean(0)) for own, other in ((part, rest), (rest, part))]
    return torch.stack(ends).mean(0), torch.nn.functional.normalize(part.mean(0) - rest.mean(0), dim=0)


def _nearest(points: Float[Tensor, "n xyz"], to: Float[Tensor, " xyz"]) -> Float[Tensor, " xyz"]:
    count = max(1, round(_CONTACT * len(points)))
    return points[(points - to).norm(dim=-1).topk(count, largest=False).indices].mean(0)


def _placed(
    molecule: Scatterers,
    moving: Bool[Tensor, " count"],
    turn: Float[Tensor, "3 3"],
    hinge: Float[Tensor, " xyz"],
    shift: Float[Tensor, " xyz"] | None = None,
) -> Scatterers:
    """The molecule with one part turned about a hinge and then shifted."""
    positions = molecule.positions.clone()
    positions[moving] = (positions[moving] - hinge) @ turn.T + hinge + (0 if shift is None else shift)
    return replace(molecule, positions=positions)
