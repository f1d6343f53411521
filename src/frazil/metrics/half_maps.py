"""From two half maps to the one that is shown, and how far they agree."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import fourier_transform, inverse_fourier_transform, shell_index, soft_sphere
from frazil.io import write_map
from frazil.metrics.alignment import align, apply_alignment
from frazil.metrics.fsc import (
    FSC,
    HALF_MAPS_AGREE,
    HalfMapFSC,
    half_map_fsc,
    last_held_shell,
    randomise_phases,
    write_fsc,
)
from frazil.metrics.mask import half_map_mask
from frazil.metrics.sharpening import guinier_b_factor, sharpen

_DRAWS = 3  # of phases by chance


@dataclass(frozen=True)
class HalfMaps:
    """Two aligned half maps, their FSC and their weighted mean."""

    first: Float[Tensor, "box box box"]
    second: Float[Tensor, "box box box"]
    mean: Float[Tensor, "box box box"]
    fsc: HalfMapFSC
    pixel_size: float
    by_chance: float | None = None
    """Of maps that were aligned: how well the first can be aligned with maps of the second's spectrum and of random
    phases, beside how well it is with the second; about 1 where the two have nothing in common."""

    @property
    def resolution(self) -> float:
        """Resolution in angstrom at FSC 0.143, corrected for the mask."""
        return self.fsc.corrected.resolution(HALF_MAPS_AGREE)

    @property
    def finest(self) -> float:
        """The finest detail in angstrom that is in the first map at all; none has turned it."""
        return len(self.first) * self.pixel_size / max(1, last_held_shell(self.first))


def compare_half_maps(
    first: Float[Tensor, "box box box"],
    second: Float[Tensor, "box box box"],
    pixel_size: float,
    symmetry: str | None = None,
) -> HalfMaps:
    """How far two half maps agree, in one frame as they are, or, of a point group, once the second is on the first.

    That is over both hands. The mask comes from the two maps alone; where no density stands out in them there is none.
    """
    by_chance = None
    last_shell = min(map(last_held_shell, (first, second)))
    if symmetry is not None:
        alignment = align(second, first, pixel_size, symmetry)
        by_chance = _chance(first, second, pixel_size, symmetry) / max(alignment.score, 1e-6)
        second = apply_alignment(second, alignment, pixel_size)
    try:
        mask = half_map_mask(first, second, pixel_size)
    except ValueError:
        mask = torch.ones_like(first)
    fsc = half_map_fsc(first, second, pixel_size, mask, torch.Generator().manual_seed(0), last_shell)
    return HalfMaps(first, second, combine_half_maps(first, second, fsc.corrected), fsc, pixel_size, by_chance)


def _chance(
    first: Float[Tensor, "box box box"], second: Float[Tensor, "box box box"], pixel_size: float, symmetry: str
) -> float:
    """The best correlation that the first map can be brought to with some of the second's spectrum, phases random."""
    generator, inside = torch.Generator().manual_seed(1), soft_sphere(len(first), 0.3 * len(first), 2.0).to(first)
    draws = (randomise_phases(second, 1, generator) * inside for _ in range(_DRAWS))
    return max(align(drawn, first, pixel_size, symmetry).score for drawn in draws)


def sharpened(maps: HalfMaps) -> tuple[HalfMaps, float | None]:
    """The same with a mean whose fall-off is undone, and its B-factor; None where the map is too coarse for one."""
    b_factor = guinier_b_factor(maps.mean, maps.pixel_size, maps.resolution)
    if b_factor is None:
        return maps, None
    return replace(maps, mean=sharpen(maps.mean, maps.pixel_size, b_factor)), b_factor


def write_half_maps(folder: Path, maps: HalfMaps) -> None:
    """Write half1.mrc, half2.mrc, map.mrc and fsc.csv."""
    for name, volume in (("half1", maps.first), ("half2", maps.second), ("map", maps.mean)):
        write_map(folder / f"{name}.mrc", volume, maps.pixel_size)
    write_fsc(folder / "fsc.csv", maps.fsc.curves())


def combine_half_maps(
    first: Float[Tensor, "box box box"], second: Float[Tensor, "box box box"], fsc: FSC
) -> Float[Tensor, "box box box"]:
    """Mean of two aligned half maps, each shell weighted by what it is worth and cut where the FSC ends.

    C_ref = sqrt(2 FSC / (1 + FSC)), the expected correlation of the mean with the truth (Rosenthal & Henderson 2003,
    equation 14); zero from the shell where the FSC first falls below 0.143.
    """
    box = first.shape[-1]
    correlation = fsc.correlation.to(first.device).clamp(min=0)
    weight = (2 * correlation / (1 + correlation)).sqrt()
    below = torch.nonzero(correlation[1:] < HALF_MAPS_AGREE).flatten()
    if len(below):
        weight[int(below[0]) + 1 :] = 0
    weight[0] = 1
    shell = shell_index(box, 3, device=first.device)
    # The corners of the spectrum, beyond the last shell, hold no signal.
    weight = torch.cat([weight, weight.new_zeros(1)])[shell.clamp(max=box // 2 + 1)]
    return inverse_fourier_transform(fourier_transform((first + second) / 2, 3) * weight, box, 3)
