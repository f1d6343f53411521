"""How the conditions of images are distributed: poses, shifts and lens, drawn with an explicit generator."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import Pose, euler_to_rotation, random_rotations
from frazil.physics.ctf import CTF

_MICROMETRES, _VOLTS = 100.0, 10_000.0  # angstrom below and kV above which another unit was meant


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)


class RotationPrior(ABC):
    """Distribution of the orientations of particles."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
        """Orientations drawn independently."""


@dataclass(frozen=True)
class UniformRotations(RotationPrior):
    """Every orientation equally likely; right for symmetric particles too."""

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
        return random_rotations(count, generator)


@dataclass(frozen=True)
class GaussianEulerRotations(RotationPrior):
    """Euler angles rot, tilt, psi from a 3-D Gaussian of mean 0 and covariance diag(variance, 2, 1).

    The mismatched poses of Gupta et al. 2021, who take `variance` 2 and 3 and do not name the unit: in square
    radians, as here, the views cover the sphere unevenly; in square degrees all would be one view.
    """

    variance: float

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
        spread = torch.tensor([self.variance, 2.0, 1.0], device=generator.device).sqrt()
        angles = spread * torch.randn(count, 3, generator=generator, device=generator.device)
        return euler_to_rotation(torch.rad2deg(angles))


class ShiftPrior(ABC):
    """Distribution of where particles lie in their boxes; x and y are independent."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 2"]:
        """Shifts in angstrom."""

    @property
    @abstractmethod
    def maximum(self) -> float:
        """Largest shift along x or y in angstrom."""


@dataclass(frozen=True)
class UniformShifts(ShiftPrior):
    """Every shift up to `percent` of the box equally likely."""

    percent: float
    field: float
    """Side of the box in angstrom."""

    @property
    def maximum(self) -> float:
        return self.percent / 100 * self.field

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 2"]:
        return _uniform(2 * count, -self.maximum, self.maximum, generator).view(count, 2)


@dataclass(frozen=True)
class TriangularShifts(ShiftPrior):
    """Shifts that grow rarer in proportion to their size and end at `percent` of the box, as CryoGAN's do."""

    percent: float
    field: float
    """Side of the box in angstrom."""

    @property
    def maximum(self) -> float:
        return self.percent / 100 * self.field

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 2"]:
        first, second = _uniform(4 * count, -0.5, 0.5, generator).view(2, count, 2)
        return self.maximum * (first + second)


@dataclass(frozen=True)
class GaussianShifts(ShiftPrior):
    """Gaussian shifts with a standard deviation of `percent` of the box, cut at three of them."""

    percent: float
    field: float
    """Side of the box in angstrom."""

    @property
    def maximum(self) -> float:
        return 3 * self.percent / 100 * self.field

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count 2"]:
        # Inverse distribution function between -3 and 3: as many random numbers for every draw.
        edge = torch.special.ndtr(torch.tensor(3.0)).item()
        quantile = _uniform(2 * count, 1 - edge, edge, generator).view(count, 2)
        return self.percent / 100 * self.field * torch.special.ndtri(quantile)


class CTFPrior(ABC):
    """Distribution of the lens's parameters."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> CTF:
        """CTF of each image."""


@dataclass(frozen=True)
class CTFRanges(CTFPrior):
    """Defocus, astigmatism and its angle drawn uniformly; the rest of the microscope is the same for all."""

    defocus: tuple[float, float] = (10_000.0, 25_000.0)
    """Smallest and largest mean defocus, angstrom; positive is underfocus."""
    astigmatism: tuple[float, float] = (0.0, 500.0)
    """Smallest and largest difference between the two defocus values, angstrom."""
    voltage_kv: float = 300.0
    """Acceleration voltage, kV."""
    cs_mm: float = 2.7
    """Spherical aberration, mm."""
    amplitude_contrast: float = 0.1
    """Part of the contrast that is amplitude's."""
    b_factor: float = 0.0
    """Envelope exp(-B k^2 / 4) of every image, angstrom^2."""
    phase_shift_deg: tuple[float, float] = (0.0, 0.0)
    """Smallest and largest phase shift by a phase plate, degrees."""

    def __post_init__(self) -> None:
        for name in ("defocus", "astigmatism", "phase_shift_deg"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(
                    f"--{name.replace('_', '-')} must be the smallest, then the largest: {low:g} is more than {high:g}"
                )
        if 0 < max(map(abs, self.defocus)) < _MICROMETRES:
            raise ValueError(f"--defocus is in angstrom, 10000 for a micrometre, not {self.defocus[1]:g}")
        if not self.b_factor >= 0:
            raise ValueError(f"--b-factor must not be negative, it is {self.b_factor:g}")
        if not 0 < self.voltage_kv < _VOLTS:
            raise ValueError(f"--voltage-kv must be positive, and in kV; it is {self.voltage_kv:g}")
        if not 0 <= self.amplitude_contrast <= 1:
            raise ValueError(f"--amplitude-contrast must lie in 0 ... 1, it is {self.amplitude_contrast:g}")

    def sample(self, count: int, generator: torch.Generator) -> CTF:
        mean = _uniform(count, *self.defocus, generator)
        half_difference = _uniform(count, *self.astigmatism, generator) / 2
        angle = _uniform(count, 0.0, 180.0, generator)
        first, last = self.phase_shift_deg
        phase = torch.full_like(mean, first) if first == last else _uniform(count, first, last, generator)
        return CTF(
            defocus_u=mean + half_difference,
            defocus_v=mean - half_difference,
            astigmatism_deg=angle,
            voltage_kv=torch.full_like(mean, self.voltage_kv),
            cs_mm=torch.full_like(mean, self.cs_mm),
            amplitude_contrast=torch.full_like(mean, self.amplitude_contrast),
            phase_shift_deg=phase,
            b_factor=torch.full_like(mean, self.b_factor),
        )


@dataclass(frozen=True)
class CTFTable(CTFPrior):
    """Rows of a table of measured CTFs, each drawn whole and with replacement."""

    rows: CTF

    def sample(self, count: int, generator: torch.Generator) -> CTF:
        index = torch.randint(len(self.rows), (count,), generator=generator, device=generator.device)
        return self.rows.to(generator.device)[index]


def ctf_from_table(table: Float[Tensor, "count 9"], b_factor: float = 0.0) -> CTF:
    """CTF rows of cryoDRGN's layout.

    Columns: box, pixel size, defocus U and V (angstrom), angle (degrees), voltage (kV), Cs (mm), amplitude
    contrast, phase shift (degrees); the first two say nothing of the lens. The table has no envelope: `b_factor`.
    """
    _, _, u, v, angle, voltage, cs, contrast, phase = table.unbind(1)
    return CTF(u, v, angle, voltage, cs, contrast, phase, torch.full_like(u, b_factor))


@dataclass(frozen=True)
class Conditions:
    """What one image each was made under; `ctf` is None where there is no lens."""

    pose: Pose
    ctf: CTF | None


@dataclass(frozen=True)
class ImagingPrior:
    """Joint distribution of the conditions of an image: orientation, position and lens are independent."""

    rotation: RotationPrior
    shift: ShiftPrior
    ctf: CTFPrior | None

    def sample(self, count: int, generator: torch.Generator) -> Conditions:
        """Conditions of `count` images, on the generator's device."""
        pose = Pose(self.rotation.sample(count, generator), self.shift.sample(count, generator))
        return Conditions(pose, None if self.ctf is None else self.ctf.sample(count, generator))
