"""The beam's path: projection, lens, noise, and how their conditions are distributed."""

from frazil.physics.ctf import CTF, electron_wavelength, evaluate_ctf, make_ctf
from frazil.physics.envelope import b_factor_envelope, b_factor_of_nyquist_value
from frazil.physics.image_formation import form_images, noise_std_for_snr, signal_to_noise_db
from frazil.physics.noise import BackgroundPatches, colour_noise, radial_power, white_noise
from frazil.physics.projection import (
    FourierVolume,
    central_slices,
    crop_centre,
    project,
    project_in_real_space,
    to_fourier_volume,
)

__all__ = [
    "CTF",
    "BackgroundPatches",
    "FourierVolume",
    "b_factor_envelope",
    "b_factor_of_nyquist_value",
    "central_slices",
    "colour_noise",
    "crop_centre",
    "electron_wavelength",
    "evaluate_ctf",
    "form_images",
    "make_ctf",
    "noise_std_for_snr",
    "project",
    "project_in_real_space",
    "radial_power",
    "signal_to_noise_db",
    "to_fourier_volume",
    "white_noise",
]
