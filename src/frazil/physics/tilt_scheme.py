"""What is chosen of tilt series: angles, dose and ice, of every series of a data set."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.physics.ctf import CTF
from frazil.physics.priors import CTFRanges
from frazil.physics.tilt_series import TiltSeries, dose_symmetric, tilt_rotations

TILT_SERIES_LENS = CTFRanges((20_000.0, 50_000.0))
"""Of tilt series, where nothing else is said: farther out of focus than single particles are taken."""
_FREE_PATH = 3000.0  # angstrom that an electron of 300 kV goes before it loses energy (3950: Rice et al., JSB 204:38)


@dataclass(frozen=True)
class TiltScheme:
    """Angles, dose and ice of every series."""

    tilt_range: tuple[float, float] = (-60.0, 60.0)
    """First and last angle in degrees, about y; what lies beyond them is the missing wedge."""
    pretilts: tuple[float, ...] = ()
    """Degrees by which the specimen (a lamella, say) lies tilted where the stage is upright, of each tomogram in turn:
    they are added to all its angles."""
    tilt_step: float = 3.0
    """Degrees from one image to the next."""
    dose_per_tilt: float = 3.0
    """Electrons per square angstrom for each image. The series begins upright and goes on to both sides in turns."""
    tilt_axis: float = 0.0
    """Degrees by which images are turned from the tilt axis, which is y of the tomogram, to y of theirs."""
    tilt_weighting: float = 0.0
    """Images are multiplied by the cosine of their tilt to this power before they are back-projected; 0 leaves them."""
    ice_thickness: float = 1500.0
    """Angstrom; particles lie at any depth in it. Tilted, it is thicker, and fewer electrons get through."""

    def __post_init__(self) -> None:
        low, high = self.tilt_range
        if not -90 <= low < high <= 90:
            raise ValueError(f"--tilt-range must rise within -90 ... 90 degrees, it is {low:g} ... {high:g}")
        if not 0 < self.tilt_step <= high - low:
            raise ValueError(f"--tilt-step must be positive and no more than the range, it is {self.tilt_step:g}")
        for pretilt in self.pretilts:
            if not -90 <= low + pretilt < high + pretilt <= 90:
                raise ValueError(f"--pretilts {pretilt:g}: tilts from {low:g} to {high:g} degrees would go beyond 90")
        for name in ("dose_per_tilt", "ice_thickness"):
            if not getattr(self, name) >= 0:
                value = getattr(self, name)
                raise ValueError(f"--{name.replace('_', '-')} must not be negative, it is {value:g}")

    def of_tomogram(self, number: int) -> "TiltScheme":
        """How the tomogram of a number, from 0, was taken: with one pretilt, if any."""
        return replace(self, pretilts=(self.pretilts[number % len(self.pretilts)],)) if self.pretilts else self

    @property
    def stage_angles(self) -> Float[Tensor, " tilts"]:
        """Of the microscope's stage, in degrees, rising."""
        low, high = self.tilt_range
        return low + self.tilt_step * torch.arange(int((high - low) / self.tilt_step + 1e-6) + 1)

    @property
    def angles(self) -> Float[Tensor, " tilts"]:
        """Of the specimen in the images, in degrees, rising; of several pretilts the first one's."""
        return self.stage_angles + (self.pretilts[0] if self.pretilts else 0.0)

    def series(self, lens: CTF | None) -> TiltSeries:
        """A series through one lens (a CTF of one row), whose defocus is that at the tomogram's centre."""
        angle = self.angles
        rows = None if lens is None else lens.map(lambda values: values.expand(len(angle)))
        return TiltSeries(
            tilt_rotations(angle, self.tilt_axis), dose_symmetric(self.stage_angles, self.dose_per_tilt), rows
        )

    @property
    def weights(self) -> Float[Tensor, " tilts"]:
        """By which images are multiplied before they are back-projected."""
        return torch.deg2rad(self.angles).cos().clamp(min=0.1) ** self.tilt_weighting

    @property
    def relative_noise(self) -> Float[Tensor, " tilts"]:
        """Standard deviation of each image's noise, 1 upright: of n electrons counted it is 1 / sqrt(n)."""
        longer = 1 / torch.deg2rad(self.angles).cos().clamp(min=0.1) - 1
        return torch.exp(longer * self.ice_thickness / (2 * _FREE_PATH))
