"""A simulated data set of subtomograms on disk: small volumes, and RELION 5's tables of what they show."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from frazil.data.subtomogram_scenes import SubtomogramLabels
from frazil.data.tomograms_written import TomogramFrame, half_sets, molecules_and_optics, write_tilt_series
from frazil.io import write_map, write_tables
from frazil.physics.tilt_backprojection import Correction
from frazil.physics.tilt_scheme import TiltScheme

TABLE = "particles.star"
"""Written last: where it is, the data set is whole."""
CORRECTION = "frazilCtfCorrection"
"""Column of an optics group: none, phase-flip or wiener, of which RELION's own tells only the first from the others."""
VOLUMES, HALVES = "subtomograms", ("half1", "half2")
OUTPUTS = (TABLE, "tomograms.star", "tilt_series", VOLUMES, *HALVES, "truth")


@dataclass(frozen=True)
class SubtomogramFiles:
    """Where each file of a data set of subtomograms is."""

    out: Path
    pixel_size: float
    box: int
    halves: bool = False
    """Whether those of even and odd movie frames are written too."""
    correction: Correction = "phase-flip"
    """What was done about the lens."""

    def name(self, row: int) -> str:
        """Of a subtomogram, from 0, in every folder."""
        return f"{row + 1:06d}.mrc"

    def missing(self, rows: range) -> bool:
        """Whether any of some subtomograms is not written yet; that of all frames is written last."""
        return any(not (self.out / VOLUMES / self.name(row)).is_file() for row in rows)

    def room(self, count: int) -> int:
        """Bytes that some subtomograms take."""
        return (1 + 2 * self.halves) * 4 * count * self.box**3

    def write_volumes(self, rows: range, parts: Float[Tensor, "parts count box box box"]) -> None:
        """Write the subtomograms of some rows; of two parts, those too, which are their halves."""
        kinds = dict(zip(HALVES, parts, strict=True)) if self.halves else {}
        for folder, volumes in {**kinds, VOLUMES: parts.mean(0)}.items():
            (self.out / folder).mkdir(exist_ok=True)
            for row, volume in zip(rows, volumes, strict=True):
                write_map(self.out / folder / self.name(row), volume, self.pixel_size)

    def write_labels(self, every: Sequence[SubtomogramLabels], scheme: TiltScheme, frame: TomogramFrame) -> None:
        """Write the tables of all tomograms and their subtomograms."""
        lenses = {f"tomogram_{number:04d}": labels.lens for number, labels in enumerate(every, 1)}
        write_tilt_series(self.out, scheme, lenses, frame)
        data, groups = molecules_and_optics(lenses, [own.molecules for own in every])
        count = len(data)
        data = data.assign(
            rlnImageName=[f"{VOLUMES}/{self.name(row)}" for row in range(count)],
            rlnRandomSubset=half_sets(data),
        )
        columns = {
            "rlnTomoTiltSeriesPixelSize": self.pixel_size,
            "rlnCtfDataAreCtfPremultiplied": 0,
            "rlnCtfDataArePhaseFlipped": int(self.correction != "none"),
            CORRECTION: self.correction,
            "rlnImageDimensionality": 3,
            "rlnTomoSubtomogramBinning": 1.0,
            "rlnImagePixelSize": self.pixel_size,
            "rlnImageSize": self.box,
        }
        write_tables(self.out / TABLE, {"optics": groups.assign(**columns), "particles": data})
