"""Curves over frequency that users have measured: the spectrum of noise, a detector's transfer."""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import hermitian_weight, shell_index
from frazil.io import ImageStack, atomic_path, read_tables
from frazil.physics import radial_power

_BACKGROUND_COUNT = 1000


def noise_power(noise: str, box: int, pixel_size: float) -> Float[Tensor, " shells"] | None:
    """Radial power spectrum on the shells of a box, scaled to noise of variance 1; None for white noise.

    `noise` is the word white, a stack of background images, or a text file with two columns, frequency in
    1/angstrom and power. Frequencies beyond those known take the last one's power.
    """
    known = noise_curve(noise)
    if known is None:
        return None
    shells = np.arange(box // 2 + 1) / (box * pixel_size)
    power = torch.from_numpy(np.interp(shells, known[:, 0], known[:, 1])).float()
    shell = shell_index(box).clamp(max=box // 2)
    return power / ((power[shell] * hermitian_weight(box)).sum() / box**2)


def noise_curve(noise: str) -> np.ndarray | None:
    """Frequency (1/angstrom, rising) and power, in any unit, of what `noise_power` is told; None for white noise."""
    if noise == "white":
        return None
    path = Path(noise)
    stack = any(suffix in (".mrcs", ".mrc", ".st") for suffix in path.suffixes)
    return _background_spectrum(path) if stack else _tabulated_spectrum(path)


def write_noise_curve(path: Path, curve: np.ndarray) -> None:
    """Frequency (1/angstrom, rising) and power as a table that `noise_curve` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        np.savetxt(temporary, curve, fmt="%.8g", header="frequency (1/angstrom), power")


def _background_spectrum(path: Path) -> np.ndarray:
    stack = ImageStack(path)
    if stack.pixel_size <= 0:
        raise ValueError(f"{path}: its header gives no pixel size, so the frequencies of its noise are unknown")
    images = torch.from_numpy(stack.read(range(min(len(stack), _BACKGROUND_COUNT))))
    power = radial_power(images)
    if not power.isfinite().all():
        raise ValueError(f"{path}: its images hold NaN or infinite values, and so would the noise")
    power[0] = power[1]  # the mean of each image was taken off
    return np.stack([np.arange(len(power)) / (stack.box * stack.pixel_size), power.numpy()], axis=1)


def _tabulated_spectrum(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: --noise must be white or a file, and there is no such file")
    rows: list[list[float]] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not (words := line.partition("#")[0].replace(",", " ").split()):
            continue
        where = f"{path}, line {number}"
        try:
            frequency, power = (float(word) for word in words[:2])
        except ValueError:
            raise ValueError(f"{where}: {line.strip()!r} is no frequency and its power") from None
        if not (math.isfinite(frequency) and math.isfinite(power) and power >= 0):
            raise ValueError(f"{where}: a frequency of {frequency:g} and a power of {power:g} are no noise's")
        if rows and frequency <= rows[-1][0]:
            raise ValueError(f"{where}: frequencies must rise, {frequency:g} follows {rows[-1][0]:g}")
        rows.append([frequency, power])
    if len(rows) < 2 or not any(power for _, power in rows):
        raise ValueError(f"{path}: a spectrum needs two frequencies or more, and a power that is not 0")
    return np.array(rows)


def read_mtf(path: Path | None, pixel_size: float) -> Float[Tensor, "points 2"] | None:
    """Frequency (1/angstrom) and modulation transfer of a detector, from RELION's STAR file, for its physical pixels.

    ValueError for a file that is none.
    """
    if path is None:
        return None
    for table in read_tables(path).values():
        if {"rlnResolutionInversePixel", "rlnMtfValue"} <= set(table):
            curve = table[["rlnResolutionInversePixel", "rlnMtfValue"]].to_numpy(np.float64)
            return torch.from_numpy(curve / [pixel_size, 1.0]).float()
    raise ValueError(f"{path}: has no columns rlnResolutionInversePixel and rlnMtfValue")
