"""Mathematics without a microscope: Fourier transforms, rotations, point groups."""

from frazil.geometry.fourier import (
    fourier_crop,
    fourier_transform,
    frequency_grid,
    hermitian_weight,
    inverse_fourier_transform,
    phase_ramp,
    shell_average,
    shell_index,
    shell_sum,
    shift_phase,
)
from frazil.geometry.resampling import centred_coordinates, rotate_volume, soft_sphere, turned_back
from frazil.geometry.rotations import (
    Batched,
    Pose,
    euler_to_rotation,
    grid_spacing_deg,
    half_turn_grid,
    random_rotations,
    rotation_angle,
    rotation_grid,
    rotation_to_euler,
    subdivide_rotations,
)
from frazil.geometry.symmetry import asymmetric_unit, asymmetric_views, symmetrise, symmetry_rotations

__all__ = [
    "Batched",
    "Pose",
    "asymmetric_unit",
    "asymmetric_views",
    "centred_coordinates",
    "euler_to_rotation",
    "fourier_crop",
    "fourier_transform",
    "frequency_grid",
    "grid_spacing_deg",
    "half_turn_grid",
    "hermitian_weight",
    "inverse_fourier_transform",
    "phase_ramp",
    "random_rotations",
    "rotate_volume",
    "rotation_angle",
    "rotation_grid",
    "rotation_to_euler",
    "shell_average",
    "shell_index",
    "shell_sum",
    "shift_phase",
    "soft_sphere",
    "subdivide_rotations",
    "symmetrise",
    "symmetry_rotations",
    "turned_back",
]
