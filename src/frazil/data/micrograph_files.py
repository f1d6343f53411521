"""A simulated data set of micrographs on disk: images, masks, and their labels in the formats of pickers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from torch import Tensor

from frazil.data.ctf_columns import columns_of_ctf
from frazil.data.micrograph_scenes import Labels
from frazil.geometry import rotation_to_euler
from frazil.io import (
    Coordinates,
    group_optics,
    write_for_pickers,
    write_images,
    write_tables,
)
from frazil.io.particle_table import ANGLES, CLASS

TABLE = "micrographs.star"
"""Written last: where it is, the data set is whole."""
OUTPUTS = (TABLE, "particles.star", "particles.txt", "micrographs", "masks", "boxes", "cboxes")


@dataclass(frozen=True)
class MicrographFiles:
    """Where each file of a data set of micrographs is."""

    out: Path
    pixel_size: float
    size: tuple[int, int]
    radius: float
    """Of the largest structure, angstrom."""

    def name(self, number: int) -> str:
        """Of a micrograph, from 0, as tables have it."""
        return f"micrographs/{number + 1:06d}.mrc"

    def missing(self, numbers: Iterable[int]) -> list[int]:
        """Those micrographs that are not written yet."""
        return [number for number in numbers if not (self.out / self.name(number)).is_file()]

    def room(self, count: int) -> int:
        """Bytes that some micrographs and their masks take."""
        return 2 * 4 * count * self.size[0] * self.size[1]

    def write_images(self, number: int, image: Float[Tensor, "y x"], mask: Bool[Tensor, "y x"]) -> None:
        """Write a micrograph and its mask, the micrograph last."""
        for folder in ("micrographs", "masks"):
            (self.out / folder).mkdir(exist_ok=True)
        write_images(self.out / "masks" / f"{number + 1:06d}.mrc", mask.float()[None], self.pixel_size)
        write_images(self.out / self.name(number), image[None], self.pixel_size)

    def write_labels(self, every: Sequence[Labels]) -> None:
        """Write the tables of all micrographs."""
        by_name = {self.name(number): labels for number, labels in enumerate(every)}
        found = {name: Coordinates(labels.particles.place.double().numpy()) for name, labels in by_name.items()}
        write_for_pickers(self.out, "particles.txt", found, dict.fromkeys(found, 2 * self.radius / self.pixel_size))
        particles = [self._particles(name, labels) for name, labels in by_name.items()]
        self._write_table(
            "particles.star",
            "particles",
            pd.concat([part for part in particles if len(part)] or particles[:1], ignore_index=True),
        )
        micrographs = pd.DataFrame({"rlnMicrographName": list(by_name)})
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
            **dict(zip(ANGLES, angles.T, strict=True)),
            CLASS: particles.structure.numpy() + 1,
            "frazilDepth": particles.depth.numpy(),
            "frazilOnEdge": labels.on_edge(self.size, self.radius / self.pixel_size).astype(int),
        }
        if labels.lens is not None:
            columns |= columns_of_ctf(particles.lenses(labels.lens))
        return pd.DataFrame(columns)
