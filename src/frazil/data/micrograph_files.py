"""A simulated data set of micrographs on disk: images, masks, and their labels in the formats of pickers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from torch import Tensor

from frazil.data.ctf_columns import columns_of_ctf
from frazil.data.fields import Labels
from frazil.geometry import rotation_to_euler
from frazil.io import (
    Coordinates,
    group_optics,
    read_tables,
    write_cbox,
    write_eman_box,
    write_map,
    write_tables,
    write_topaz,
)

TABLE = "micrographs.star"
"""Written last: where it is, the data set is whole."""
_FOLDERS = ("micrographs", "masks", "boxes", "cboxes")
OUTPUTS = (TABLE, "particles.star", "particles.txt", *_FOLDERS)
_BOX = 1.25  # of a particle's diameter: the side of the boxes that pickers are given


@dataclass(frozen=True)
class MicrographFiles:
    """Where each file of a data set of micrographs is."""

    out: Path
    pixel_size: float
    size: tuple[int, int]
    radius: float
    """Of the largest structure, angstrom."""

    @property
    def _box(self) -> int:
        return 2 * round(_BOX * self.radius / self.pixel_size)

    def name(self, number: int) -> str:
        """Of a micrograph, from 0, as tables have it."""
        return f"micrographs/{number + 1:06d}.mrc"

    def is_there(self, number: int) -> bool:
        """Whether a micrograph and its mask are written."""
        return (self.out / self.name(number)).is_file()

    def write_images(self, number: int, image: Float[Tensor, "y x"], mask: Bool[Tensor, "y x"]) -> None:
        """Write a micrograph and its mask, the micrograph last."""
        for folder in _FOLDERS:
            (self.out / folder).mkdir(exist_ok=True)
        write_map(self.out / "masks" / f"{number + 1:06d}.mrc", mask.float()[None], self.pixel_size)
        write_map(self.out / self.name(number), image[None], self.pixel_size)

    def write_labels(self, every: Sequence[Labels]) -> None:
        """Write the tables of all micrographs."""
        centres = [labels.particles.place.numpy() for labels in every]
        for number, own in enumerate(centres):
            stem = f"{number + 1:06d}"
            write_eman_box(self.out / "boxes" / f"{stem}.box", own, self._box)
            write_cbox(self.out / "cboxes" / f"{stem}.cbox", own, self._box)
        names = [self.name(number) for number in range(len(every))]
        found = {name: Coordinates(own.astype(np.float64)) for name, own in zip(names, centres, strict=True)}
        write_topaz(self.out / "particles.txt", found)
        particles = [self._particles(name, labels) for name, labels in zip(names, every, strict=True)]
        self._write_table(
            "particles.star",
            "particles",
            pd.concat([part for part in particles if len(part)] or particles[:1], ignore_index=True),
        )
        micrographs = pd.DataFrame({"rlnMicrographName": names})
        lenses = [columns_of_ctf(labels.lens) for labels in every if labels.lens is not None]
        if lenses:
            joined = {column: np.concatenate([lens[column] for lens in lenses]) for column in lenses[0]}
            micrographs = micrographs.assign(**joined)
        self._write_table(TABLE, "micrographs", micrographs)

    def _write_table(self, name: str, block: str, data: pd.DataFrame) -> None:
        data, optics = group_optics(data)
        sizes = {"rlnMicrographPixelSize": self.pixel_size, "rlnMicrographOriginalPixelSize": self.pixel_size}
        shared = [column for column in optics if column != "rlnOpticsGroup"]
        own = data.drop(columns=[column for column in shared if column in data])
        write_tables(self.out / name, {"optics": optics.assign(**sizes), block: own})

    def _particles(self, name: str, labels: Labels) -> pd.DataFrame:
        particles = labels.particles
        angles = rotation_to_euler(particles.rotation).numpy()
        place = particles.place.numpy()
        columns: dict[str, Any] = {
            "rlnMicrographName": [name] * len(particles),
            "rlnCoordinateX": place[:, 0],
            "rlnCoordinateY": place[:, 1],
            "rlnAngleRot": angles[:, 0],
            "rlnAngleTilt": angles[:, 1],
            "rlnAnglePsi": angles[:, 2],
            "rlnClassNumber": particles.structure.numpy() + 1,
            "frazilDepth": particles.depth.numpy(),
            "frazilOnEdge": labels.on_edge(self.size, self.radius / self.pixel_size).astype(int),
        }
        if labels.lens is not None:
            columns |= columns_of_ctf(particles.lenses(labels.lens))
        return pd.DataFrame(columns)


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
