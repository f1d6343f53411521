"""From what the lens makes of a field to what the detector gives: ice, electrons, noise. Protein is dark here."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import filter_field, half_plane_mean, on_rectangle, rectangle_frequency
from frazil.physics.ctf import CTF, evaluate_ctf
from frazil.physics.detector import Detector, count_electrons
from frazil.physics.micrograph import ParticleField
from frazil.physics.noise import white_noise

_LEAST_TRANSFER = 0.05  # of the detector, below which a measured spectrum tells nothing of what reached it
_CLEAN = 0.1  # of the range from the darkest to the brightest: about the standard deviation of a clean field

PaperNoise = Literal["gaussian", "poisson", "poisson-gaussian"]


class FieldExposure(ABC):
    """How a micrograph comes of the particles on it."""

    @property
    @abstractmethod
    def relative_noise(self) -> float:
        """Standard deviation of the noise as a part of the beam."""

    @abstractmethod
    def expose(
        self,
        field: ParticleField,
        transmission: Float[Tensor, "y x"],
        lens: CTF | None,
        generator: torch.Generator,
    ) -> Float[Tensor, "y x"]:
        """The micrograph of a field under ice that lets a part of the beam through, 1 on average."""


@dataclass(frozen=True)
class CountedExposure(FieldExposure):
    """Physics in its order: contrast, the ice's own structure, its thickness, electrons, detector."""

    dose: float
    """Electrons expected in a pixel."""
    contrast: float
    """Part of the beam that one unit of the field's image takes away."""
    structure: Float[Tensor, "y half"] | None = None
    """Amplitude of the noise that is no electron's own, by frequency, as a part of the beam."""
    width: int = 0
    """Pixels along x of the fields that `structure` is of."""
    transfer: Float[Tensor, "y half"] | None = None
    """The detector's modulation transfer function."""

    @property
    def relative_noise(self) -> float:
        structure = 0.0 if self.structure is None else half_plane_mean(self.structure.square(), self.width)
        return (1 / self.dose + structure) ** 0.5

    def expose(
        self,
        field: ParticleField,
        transmission: Float[Tensor, "y x"],
        lens: CTF | None,
        generator: torch.Generator,
    ) -> Float[Tensor, "y x"]:
        beam = 1 - self.contrast * field.image
        if self.structure is not None:
            beam = beam + filter_field(white_noise(tuple(beam.shape), generator), self.structure)
        counts = count_electrons(self.dose * transmission * beam, generator)
        return counts if self.transfer is None else filter_field(counts, self.transfer)


def counted_exposure(detector: Detector, contrast: float, size: tuple[int, int], pixel_size: float) -> CountedExposure:
    """An exposure of fields of `size` (x, y) in which one unit of their image takes `contrast` of the beam.

    The power of the background that does not depend on frequency, once the detector's blur is undone, is taken for
    the electrons' own, whose relative variance is 1 / dose; the rest is structure in the ice, and the dose says how
    strong it is.
    """
    transfer = None if detector.mtf is None else on_rectangle(detector.mtf, size, pixel_size)
    structure = None
    if detector.noise is not None:
        power = on_rectangle(detector.noise, size, pixel_size)
        if transfer is not None:
            power = power / transfer.clamp(min=_LEAST_TRANSFER).square()
        if not power.amin() > 0:
            raise ValueError("the noise's spectrum has no power at some frequency, where electrons alone have some")
        structure = ((power / power.amin() - 1) / detector.dose).clamp(min=0).sqrt()
    return CountedExposure(detector.dose, contrast, structure, size[0], transfer)


def contrast_at(detector: Detector, snr_db: float, clean: Float[Tensor, "fields y x"], pixel_size: float) -> float:
    """The contrast at which `clean` fields have a signal-to-noise ratio (before the detector's blur).

    10 log10(var(clean) / var(noise)) over the whole field.
    """
    noise = counted_exposure(detector, 0.0, (clean.shape[-1], clean.shape[-2]), pixel_size).relative_noise
    return 10 ** (snr_db / 20) * noise / float(clean.double().std())


@dataclass(frozen=True)
class PaperExposure(FieldExposure):
    """As the released CryoGEM does it (Zhang et al. 2024, section 3.1): the ice before the lens, one lens for all.

    Projections are inverted, scaled to 0 ... 1, multiplied by the ice, seen through the CTF, and noise comes on top;
    the result is scaled to -1 ... 1.
    """

    pixel_size: float
    snr_db: float = -10.0
    noise: PaperNoise = "gaussian"
    """Added to all alike; or the counting of electrons; or half of each."""

    @property
    def relative_noise(self) -> float:
        return _CLEAN * 10 ** (-self.snr_db / 20)

    def expose(
        self,
        field: ParticleField,
        transmission: Float[Tensor, "y x"],
        lens: CTF | None,
        generator: torch.Generator,
    ) -> Float[Tensor, "y x"]:
        clean = _to_range(-field.projection, 0.0, 1.0) * transmission
        if lens is not None:
            height, width = clean.shape
            clean = filter_field(clean, evaluate_ctf(lens, rectangle_frequency((width, height), self.pixel_size))[0])
        variance = clean.double().var() * 10 ** (-self.snr_db / 10)
        shares = {"gaussian": (1.0, 0.0), "poisson": (0.0, 1.0), "poisson-gaussian": (0.5, 0.5)}
        white, counted = shares[self.noise]
        image = clean
        if counted:
            # As many electrons as make the variance of their number, at the mean, the share asked for.
            positive = _to_range(clean, 0.0, 1.0) * float(clean.max() - clean.min())
            electrons = float(positive.mean() / (counted * variance))
            image = count_electrons(electrons * positive, generator) / electrons
        if white:
            image = image + float((white * variance).sqrt()) * white_noise(tuple(clean.shape), generator)
        return _to_range(image, -1.0, 1.0)


def _to_range(values: Tensor, low: float, high: float) -> Tensor:
    """Values scaled so that the least is `low` and the largest `high`; all `high` where they are all the same."""
    least, most = values.min(), values.max()
    if not most > least:
        return torch.full_like(values, high)
    return low + (high - low) * (values - least) / (most - least)
