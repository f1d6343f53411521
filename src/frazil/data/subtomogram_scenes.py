"""Simulated subtomograms, tomogram by tomogram, each a pure function of the data set's seed and its own number."""

import math
from dataclasses import dataclass
from statistics import fmean

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data.seeds import numbered_generator
from frazil.physics import CTF, CTFPrior, ShiftPrior, UniformRotations
from frazil.physics.subtomograms import Molecules, Strengths, SubtomogramImaging

FIELD = 4000.0
"""Angstrom along x and y of the tomograms that subtomograms come from."""
_CALIBRATED = 128  # subtomograms by which the noise's strength is set, and tomograms: how strong one is, is its lens'
_LOUD = 4  # of every so many of them the noise, which hardly differs


@dataclass(frozen=True)
class SubtomogramLabels:
    """What is known of the subtomograms of one tomogram."""

    molecules: Molecules
    lens: CTF | None
    """One row: the CTF at the middle of the ice."""


@dataclass(frozen=True)
class SubtomogramScene:
    """A data set of simulated subtomograms; nothing of it is drawn before it is asked for."""

    imaging: SubtomogramImaging
    structures: int
    """How many there are; subtomograms show them in turns."""
    count: int
    each: int
    """Subtomograms of a tomogram, whose lens they share."""
    lens: CTFPrior | None
    shift: ShiftPrior
    thickness: float
    """Angstrom along the beam in which the molecules' centres lie."""
    seed: int

    @property
    def tomograms(self) -> int:
        """How many the data set is of."""
        return -(-self.count // self.each)

    def rows(self, tomogram: int) -> range:
        """Places in the data set of a tomogram's subtomograms."""
        return range(tomogram * self.each, min(self.count, (tomogram + 1) * self.each))

    def labels(self, tomogram: int) -> SubtomogramLabels:
        """The molecules and the lens of one tomogram."""
        return self._draw(tomogram, numbered_generator(self.seed, tomogram))

    def volumes(self, tomogram: int, noise_std: float, parts: int = 1) -> Float[Tensor, "parts count box box box"]:
        """Its subtomograms; 2 parts: twice, with the noise of every other movie frame, and their mean is the whole."""
        generator = numbered_generator(self.seed, tomogram)
        labels, imaging = self._draw(tomogram, generator), self.imaging.of_tomogram(tomogram)
        strengths = Strengths(1.0, parts**0.5 * noise_std)
        made = [imaging.volumes_of(labels.molecules, labels.lens, strengths, generator) for _ in range(parts)]
        return torch.stack(made)

    def noise_std(self, snr_db: float) -> float:
        """Noise in the upright image at which subtomograms have a signal-to-noise ratio.

        10 log10(var(clean) / var(noise)) over whole boxes, of a few of each tomogram; of an infinite one, none.
        """
        if snr_db == math.inf:
            return 0.0
        clean: list[float] = []
        noise: list[float] = []
        spread = range(0, self.tomograms, max(1, self.tomograms // _CALIBRATED))[:_CALIBRATED]
        each = -(-_CALIBRATED // len(spread))
        for number, tomogram in enumerate(spread):
            rows, generator = self.rows(tomogram), numbered_generator(self.seed, tomogram)
            labels, imaging = self._draw(tomogram, generator), self.imaging.of_tomogram(tomogram)
            first = (number * each - rows.start) % min(self.structures, len(rows))  # all structures take part
            few = labels.molecules[first : first + each]
            clean += _variances(imaging.clean(few, labels.lens))
            noise += _variances(imaging.noise(few[::_LOUD], labels.lens, generator)) if number % _LOUD == 0 else []
        if not sum(clean) > 0:
            raise ValueError("no density falls in the box")
        return (fmean(clean) / fmean(noise) * 10 ** (-snr_db / 10)) ** 0.5

    def _draw(self, tomogram: int, generator: torch.Generator) -> SubtomogramLabels:
        """What is drawn first."""
        rows = self.rows(tomogram)
        count = len(rows)
        sides = torch.tensor([FIELD, FIELD, self.thickness])
        place = sides * (torch.rand(count, 3, generator=generator) - 0.5)
        within = torch.cat([self.shift.sample(count, generator), self.shift.sample(count, generator)[:, :1]], 1)
        structure: Int[Tensor, " count"] = torch.tensor(rows) % self.structures
        rotation = UniformRotations().sample(count, generator)
        lens = None if self.lens is None else self.lens.sample(1, generator)
        return SubtomogramLabels(Molecules(place, rotation, within, structure), lens)


def _variances(volumes: Float[Tensor, "count box box box"]) -> list[float]:
    return volumes.double().var((1, 2, 3)).tolist()
