"""What a result is worth: correlation by shell, alignment, masks."""

from frazil.metrics.alignment import (
    Alignment,
    align,
    apply_alignment,
    refine_alignment,
    rotation_distance,
)
from frazil.metrics.fsc import (
    FSC,
    HalfMapFSC,
    fourier_shell_correlation,
    half_map_fsc,
    randomise_phases,
    write_fsc,
)
from frazil.metrics.half_maps import combine_half_maps
from frazil.metrics.mask import half_map_mask
from frazil.metrics.resampling import fit_box, mirror_volume, move_volume, resample_volume

__all__ = [
    "FSC",
    "Alignment",
    "HalfMapFSC",
    "align",
    "apply_alignment",
    "combine_half_maps",
    "fit_box",
    "fourier_shell_correlation",
    "half_map_fsc",
    "half_map_mask",
    "mirror_volume",
    "move_volume",
    "randomise_phases",
    "refine_alignment",
    "resample_volume",
    "rotation_distance",
    "write_fsc",
]
