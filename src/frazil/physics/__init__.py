"""The beam's path: projection, lens, noise, and how their conditions are distributed."""

from frazil.physics.backprojection import BackProjection
from frazil.physics.ctf import CTF, electron_wavelength, evaluate_ctf, make_ctf, phase_flip
from frazil.physics.envelope import b_factor_envelope, b_factor_of_nyquist_value
from frazil.physics.image_formation import form_images, image_from_slices, noise_std_for_snr, signal_to_noise_db
from frazil.physics.noise import (
    ColouredNoise,
    NoiseModel,
    PatchNoise,
    colour_noise,
    radial_power,
    white_noise,
)
from frazil.physics.potential import (
    centre_of_mass,
    deposit_gaussians,
    low_pass,
    potential_from_atoms,
    resolution_b_factor,
)
from frazil.physics.priors import (
    Conditions,
    CTFPrior,
    CTFRanges,
    CTFTable,
    GaussianEulerRotations,
    GaussianShifts,
    ImagingPrior,
    RotationPrior,
    ShiftPrior,
    TriangularShifts,
    UniformRotations,
    UniformShifts,
    ctf_from_table,
)
from frazil.physics.projection import (
    FourierVolume,
    central_slices,
    crop_centre,
    project,
    project_in_real_space,
    sample_slices,
    to_fourier_volume,
)
from frazil.physics.spectrum_table import SpectrumTable

__all__ = [
    "CTF",
    "BackProjection",
    "CTFPrior",
    "CTFRanges",
    "CTFTable",
    "ColouredNoise",
    "Conditions",
    "FourierVolume",
    "GaussianEulerRotations",
    "GaussianShifts",
    "ImagingPrior",
    "NoiseModel",
    "PatchNoise",
    "RotationPrior",
    "ShiftPrior",
    "SpectrumTable",
    "TriangularShifts",
    "UniformRotations",
    "UniformShifts",
    "b_factor_envelope",
    "b_factor_of_nyquist_value",
    "central_slices",
    "centre_of_mass",
    "colour_noise",
    "crop_centre",
    "ctf_from_table",
    "deposit_gaussians",
    "electron_wavelength",
    "evaluate_ctf",
    "form_images",
    "image_from_slices",
    "low_pass",
    "make_ctf",
    "noise_std_for_snr",
    "phase_flip",
    "potential_from_atoms",
    "project",
    "project_in_real_space",
    "radial_power",
    "resolution_b_factor",
    "sample_slices",
    "signal_to_noise_db",
    "to_fourier_volume",
    "white_noise",
]
