"""Two half maps as files: aligned, compared, averaged."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.io import write_map
from frazil.metrics import (
    HalfMapFSC,
    align,
    apply_alignment,
    combine_half_maps,
    half_map_fsc,
    half_map_mask,
    write_fsc,
)


@dataclass(frozen=True)
class HalfMaps:
    """Two aligned half maps, their FSC and their weighted mean."""

    first: Float[Tensor, "box box box"]
    second: Float[Tensor, "box box box"]
    mean: Float[Tensor, "box box box"]
    fsc: HalfMapFSC
    pixel_size: float

    @property
    def resolution(self) -> float:
        """Resolution in angstrom at FSC 0.143, corrected for the mask."""
        return self.fsc.corrected.resolution(0.143)


def compare_half_maps(
    first: Float[Tensor, "box box box"], second: Float[Tensor, "box box box"], pixel_size: float, symmetry: str
) -> HalfMaps:
    """Bring the second half map onto the first, over both hands, and measure how far they agree.

    The mask comes from the two maps alone; where no density stands out in them there is none.
    """
    second = apply_alignment(second, align(second, first, pixel_size, symmetry), pixel_size)
    try:
        mask = half_map_mask(first, second, pixel_size)
    except ValueError:
        mask = torch.ones_like(first)
    fsc = half_map_fsc(first, second, pixel_size, mask, torch.Generator().manual_seed(0))
    return HalfMaps(first, second, combine_half_maps(first, second, fsc.corrected), fsc, pixel_size)


def write_half_maps(folder: Path, maps: HalfMaps) -> None:
    """Write half1.mrc, half2.mrc, map.mrc and fsc.csv."""
    for name, volume in (("half1", maps.first), ("half2", maps.second), ("map", maps.mean)):
        write_map(folder / f"{name}.mrc", volume, maps.pixel_size)
    write_fsc(folder / "fsc.csv", maps.fsc.curves())
