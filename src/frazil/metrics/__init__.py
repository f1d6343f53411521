"""What a result is worth: correlation by shell, alignment, masks, errors of poses."""

from frazil.metrics.alignment import (
    Alignment,
    align,
    align_to_grid,
    apply_alignment,
    refine_alignment,
    rotation_distance,
    truth_fsc,
)
from frazil.metrics.fsc import (
    FSC,
    HALF_MAPS_AGREE,
    THRESHOLDS,
    TRUTH_AGREES,
    HalfMapFSC,
    fourier_shell_correlation,
    half_map_fsc,
    last_held_shell,
    randomise_phases,
    write_fsc,
)
from frazil.metrics.half_maps import HalfMaps, combine_half_maps, compare_half_maps, sharpened, write_half_maps
from frazil.metrics.latents import information_imbalance, neighbourhood_similarity, view_dependence
from frazil.metrics.mask import half_map_mask
from frazil.metrics.poses import PoseErrors, pose_errors
from frazil.metrics.resampling import fit_box, mirror_volume, move_volume, on_grid, resample_volume, same_pixel_size
from frazil.metrics.shape import is_hollow_shell, is_inverted
from frazil.metrics.sharpening import guinier_b_factor, sharpen

__all__ = [
    "FSC",
    "HALF_MAPS_AGREE",
    "THRESHOLDS",
    "TRUTH_AGREES",
    "Alignment",
    "HalfMapFSC",
    "HalfMaps",
    "PoseErrors",
    "align",
    "align_to_grid",
    "apply_alignment",
    "combine_half_maps",
    "compare_half_maps",
    "fit_box",
    "fourier_shell_correlation",
    "guinier_b_factor",
    "half_map_fsc",
    "half_map_mask",
    "information_imbalance",
    "is_hollow_shell",
    "is_inverted",
    "last_held_shell",
    "mirror_volume",
    "move_volume",
    "neighbourhood_similarity",
    "on_grid",
    "pose_errors",
    "randomise_phases",
    "refine_alignment",
    "resample_volume",
    "rotation_distance",
    "same_pixel_size",
    "sharpen",
    "sharpened",
    "truth_fsc",
    "view_dependence",
    "write_fsc",
    "write_half_maps",
]
