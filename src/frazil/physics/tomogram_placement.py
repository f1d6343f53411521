"""Where molecules and vesicles lie in the ice of a tomogram: by chance, and none in another."""

import torch
from jaxtyping import Float
from torch import Tensor

_TRIES = 500  # places tried for each body, after which the ice counts as full for it
_BILAYER = 30.0  # angstrom from the middle of a vesicle's wall, within which there is no room


def place_vesicles(
    sides: Float[Tensor, " xyz"], radius: Float[Tensor, " count"], generator: torch.Generator
) -> Float[Tensor, "placed radius_xyz"]:
    """Radius and centre (x, y, z from the middle) of up to `count` vesicles that lie whole in the ice, none in another.

    Lengths in angstrom.
    """
    placed = torch.empty(0, 4)
    for own in radius:
        tried = _tried(sides, float(own) + _BILAYER, generator)
        if float(sides.min()) < 2 * (float(own) + _BILAYER):
            continue
        apart = torch.cdist(tried, placed[:, 1:]) - placed[:, 0] - own - 2 * _BILAYER
        if (place := _first((apart > 0).all(1), tried)) is not None:
            placed = torch.cat([placed, torch.cat([own[None], place])[None]])
    return placed


def place_molecules(
    sides: Float[Tensor, " xyz"],
    radius: Float[Tensor, " count"],
    vesicles: Float[Tensor, "vesicles radius_xyz"],
    generator: torch.Generator,
) -> Float[Tensor, "count xyz"]:
    """Centres of molecules, none in another or in a vesicle's wall; NaN for those that found no room.

    They lie whole in the ice along z and may reach over its edge along x and y.
    """
    places = torch.full((len(radius), 3), torch.nan)
    for number, own in enumerate(radius):
        tried = _tried(sides, float(own), generator, across=0.0)
        before = places[:number][~places[:number, 0].isnan()]
        reach = radius[:number][~places[:number, 0].isnan()]
        free = (torch.cdist(tried, before) - reach > own).all(1)
        wall = (torch.cdist(tried, vesicles[:, 1:]) - vesicles[:, 0]).abs() - _BILAYER
        if (place := _first(free & (wall > own).all(1), tried)) is not None:
            places[number] = place
    return places


def _tried(
    sides: Float[Tensor, " xyz"], radius: float, generator: torch.Generator, across: float | None = None
) -> Float[Tensor, "tries xyz"]:
    """Places for a body that lies whole in the ice along z, and `across` its radius along x and y too."""
    margin = torch.tensor([radius if across is None else across] * 2 + [radius])
    free = (sides - 2 * margin).clamp(min=0)
    return free * (torch.rand(_TRIES, 3, generator=generator) - 0.5)


def _first(free: Tensor, tried: Float[Tensor, "tries xyz"]) -> Float[Tensor, " xyz"] | None:
    found = free.nonzero()
    return tried[int(found[0])] if len(found) else None
