"""Fourier shell correlation: how far two maps agree, by spatial frequency.

Harauz & van Heel (Optik 73:146, 1986); thresholds as in Rosenthal & Henderson (J. Mol. Biol. 333:721, 2003).
"""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import fourier_transform, inverse_fourier_transform, shell_index, shell_sum
from frazil.io import atomic_path

HALF_MAPS_AGREE = 0.143
"""FSC of two independent half maps at the resolution of their mean (Rosenthal & Henderson 2003)."""
TRUTH_AGREES = 0.5
"""FSC of a map and the truth, or an atomic model's, at the resolution of the map."""
THRESHOLDS = TRUTH_AGREES, HALF_MAPS_AGREE
RANDOMISE_BELOW = 0.8
"""Phases are randomised from the first shell whose unmasked FSC is lower (Chen et al. 2013, section 2.4)."""
_ALL = 0.99  # of a masked shell's correlation, from which on it is the mask's
_NOTHING = 1e-9  # of the strongest shell's power: rounding
_SHELLS_OF_LEAKAGE = 2  # the mask smears a sharp cut-off over its neighbours, so the correction starts later


@dataclass(frozen=True)
class FSC:
    """Correlation of two maps by Fourier shell, from zero frequency to Nyquist's."""

    frequency: Float[Tensor, " shells"]
    """Spatial frequency of each shell in 1/angstrom."""
    correlation: Float[Tensor, " shells"]
    """Normalised correlation, -1 to 1; 0 in a shell where a map is empty."""
    pixel_size: float

    def resolution(self, threshold: float) -> float:
        """Resolution in angstrom where the curve first falls below `threshold`.

        Interpolated linearly in frequency. The last shell's resolution where the curve never falls below; the
        length of the box where it starts below. The shell at zero frequency is left out: it only compares means.
        """
        frequency, correlation = self.frequency[1:].double(), self.correlation[1:].double()
        below = torch.nonzero(correlation < threshold).flatten()
        if len(below) == 0:
            return float(1 / frequency[-1])
        at = int(below[0])
        if at == 0:
            return float(1 / frequency[0])
        high, low = correlation[at - 1], correlation[at]
        part = (high - threshold) / (high - low)
        return float(1 / torch.lerp(frequency[at - 1], frequency[at], part))

    def area(self) -> float:
        """Mean of the curve over its shells, without zero frequency: the area under it (AUC-FSC of CryoBench)."""
        return float(self.correlation[1:].double().mean())


def fourier_shell_correlation(
    first: Float[Tensor, "box box box"],
    second: Float[Tensor, "box box box"],
    pixel_size: float,
    mask: Float[Tensor, "box box box"] | None = None,
) -> FSC:
    """Fourier shell correlation of two maps, both multiplied by `mask` where one is given."""
    if mask is not None:
        first, second = first * mask, second * mask
    box = first.shape[-1]
    one, two = fourier_transform(first.double(), 3), fourier_transform(second.double(), 3)
    cross = shell_sum((one * two.conj()).real, box, 3)
    power = shell_sum(one.abs().square(), box, 3) * shell_sum(two.abs().square(), box, 3)
    correlation = torch.where(power > 0, cross / power.sqrt(), 0.0)
    frequency = torch.arange(box // 2 + 1, device=first.device) / (box * pixel_size)
    return FSC(frequency.float(), correlation.float(), pixel_size)


def last_held_shell(volume: Float[Tensor, "box box box"]) -> int:
    """The finest Fourier shell in which a map holds anything, if it was filtered; Nyquist's of other maps."""
    power = shell_sum(fourier_transform(volume.double(), 3).abs().square(), len(volume), 3)
    return int(torch.nonzero(power >= _NOTHING * power.amax()).max())


def randomise_phases(
    volume: Float[Tensor, "box box box"], first_shell: int, generator: torch.Generator
) -> Float[Tensor, "box box box"]:
    """Map whose Fourier amplitudes are kept and whose phases are random from `first_shell` on."""
    box = volume.shape[-1]
    noise = torch.randn(volume.shape, generator=generator, device=generator.device, dtype=torch.float64)
    # The phases of a real noise map have the conjugate symmetry that a real map needs.
    phase = torch.sgn(fourier_transform(noise.to(volume.device), 3))
    spectrum = fourier_transform(volume.double(), 3)
    beyond = shell_index(box, 3, device=volume.device) >= first_shell
    randomised = torch.where(beyond, spectrum.abs() * phase, spectrum)
    return inverse_fourier_transform(randomised, box, 3).to(volume.dtype)


@dataclass(frozen=True)
class HalfMapFSC:
    """The four curves of two masked half maps."""

    unmasked: FSC
    masked: FSC
    randomised: FSC
    """Masked, after the phases were randomised: the correlation that the mask alone brings."""
    corrected: FSC

    def curves(self) -> dict[str, FSC]:
        """The curves by name, as columns of a table."""
        return dict(vars(self))


def half_map_fsc(
    half1: Float[Tensor, "box box box"],
    half2: Float[Tensor, "box box box"],
    pixel_size: float,
    mask: Float[Tensor, "box box box"],
    generator: torch.Generator,
    last_shell: int | None = None,
) -> HalfMapFSC:
    """FSC of two half maps under a mask, corrected for the mask by phase randomisation.

    FSC_true = (FSC_t - FSC_n) / (1 - FSC_n), Chen et al. (Ultramicroscopy 135:24, 2013), equation 4; `generator`
    draws the phases of the two halves, one after the other. The corrected curve ends with the finest shell that both
    maps held before anything was turned: `last_shell`, or else that of both as they are.
    """
    if last_shell is None:
        last_shell = min(last_held_shell(half1), last_held_shell(half2))
    unmasked = fourier_shell_correlation(half1, half2, pixel_size)
    masked = fourier_shell_correlation(half1, half2, pixel_size, mask)
    below = torch.nonzero(unmasked.correlation[1:] < RANDOMISE_BELOW).flatten()
    first_shell = int(below[0]) + 1 if len(below) else len(unmasked.correlation)
    noise1 = randomise_phases(half1, first_shell, generator)
    noise2 = randomise_phases(half2, first_shell, generator)
    randomised = fourier_shell_correlation(noise1, noise2, pixel_size, mask)
    total, by_mask = masked.correlation, randomised.correlation
    # Where the mask alone explains all, nothing is told.
    true = torch.where(by_mask < _ALL, (total - by_mask) / (1 - by_mask), 0.0)
    shell = torch.arange(len(total), device=total.device)
    corrected = torch.where(shell < first_shell + _SHELLS_OF_LEAKAGE, total, true)
    # Beyond where the maps end there is only what the mask smeared over from their last shells.
    corrected = torch.where(shell > last_shell, 0.0, corrected)
    return HalfMapFSC(unmasked, masked, randomised, replace(masked, correlation=corrected))


def write_fsc(path: Path, curves: dict[str, FSC]) -> None:
    """Write curves of one grid as a table: shell, frequency, resolution and a column for each curve."""
    frequency = next(iter(curves.values())).frequency.tolist()
    columns = [curve.correlation.tolist() for curve in curves.values()]
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["shell", "frequency", "resolution", *curves])
        for shell, (k, *row) in enumerate(zip(frequency, *columns, strict=True)):
            resolution = f"{1 / k:.4f}" if k > 0 else "inf"
            writer.writerow([shell, f"{k:.8f}", resolution, *(f"{value:.6f}" for value in row)])
