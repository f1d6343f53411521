"""A simulated data set of tomograms on disk: volumes, tilt series, masks, and picks in the formats of the field."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from frazil.data.tomogram_scenes import SimulatedTomogram, TomogramLabels
from frazil.data.tomograms_written import TomogramFrame, half_sets, molecules_and_optics, write_tilt_series
from frazil.io import atomic_path, write_images, write_map, write_tables
from frazil.physics.tilt_scheme import TiltScheme

TABLE = "particles.star"
"""Written last: where it is, the data set is whole."""
_HALVES = ("even", "odd")
_VOLUMES = ("tomograms", *_HALVES, "instances", "classes")
OUTPUTS = (TABLE, "tomograms.star", "tilt_series", "picks", "truth", *_VOLUMES)


@dataclass(frozen=True)
class TomogramFiles:
    """Where each file of a data set of tomograms is."""

    out: Path
    frame: TomogramFrame
    names: Sequence[str]
    """What the structures are called."""

    def name(self, number: int) -> str:
        """Of a tomogram, from 0."""
        return f"tomogram_{number + 1:04d}"

    def missing(self, count: int) -> list[int]:
        """Those tomograms that are not written yet."""
        return [
            number for number in range(count) if not (self.out / "tomograms" / f"{self.name(number)}.mrc").is_file()
        ]

    def room(self, count: int) -> int:
        """Bytes that some tomograms take, but for their tilt series."""
        x, y, z = self.frame.size
        return len(_VOLUMES) * 4 * count * x * y * z

    def write_volumes(
        self, number: int, made: SimulatedTomogram, labels: TomogramLabels, instances: Int[Tensor, "z y x"]
    ) -> None:
        """Write one tomogram, its halves, its images and its masks; the tomogram last."""
        name, pixel_size = self.name(number), self.frame.pixel_size
        walls = torch.full((len(labels.vesicles),), len(self.names) + 1)
        class_of = torch.cat([torch.zeros(1, dtype=torch.long), labels.molecules.structure + 1, walls])
        classes = class_of[instances.long()]
        (self.out / "tilt_series").mkdir(exist_ok=True)
        write_images(self.out / "tilt_series" / f"{name}.mrcs", made.tilts, pixel_size)
        halves = dict(zip(_HALVES, made.halves, strict=True)) if made.halves else {}
        volumes = {"instances": instances, "classes": classes, **halves, "tomograms": made.whole}
        for folder in volumes:
            (self.out / folder).mkdir(exist_ok=True)
            write_map(self.out / folder / f"{name}.mrc", volumes[folder].float(), pixel_size)

    def write_labels(self, every: Sequence[TomogramLabels], scheme: TiltScheme) -> None:
        """Write the tables of all tomograms, and picks of each as copick takes them."""
        lenses = {self.name(number): labels.lens for number, labels in enumerate(every)}
        write_tilt_series(self.out, scheme, lenses, self.frame)
        for name, labels in zip(lenses, every, strict=True):
            self._write_picks(name, labels)
        data, groups = molecules_and_optics(lenses, [own.molecules for own in every])
        optics = groups.assign(rlnTomoTiltSeriesPixelSize=self.frame.pixel_size)
        write_tables(self.out / TABLE, {"optics": optics, "particles": data.assign(rlnRandomSubset=half_sets(data))})

    def _write_picks(self, name: str, labels: TomogramLabels) -> None:
        """Copick's JSON for each structure: angstrom from the tomogram's first corner, instances as in the mask."""
        folder = self.out / "picks" / name
        folder.mkdir(parents=True, exist_ok=True)
        middle = torch.tensor([side // 2 for side in self.frame.size]) * self.frame.pixel_size
        molecules = labels.molecules
        for number, structure in enumerate(self.names):
            points = []
            for instance in torch.nonzero(molecules.structure == number)[:, 0].tolist():
                x, y, z = (molecules.place[instance] + middle).tolist()
                turn = torch.eye(4)
                turn[:3, :3] = molecules.rotation[instance]
                points.append(
                    {
                        "location": {"x": x, "y": y, "z": z},
                        "transformation_": turn.tolist(),
                        "instance_id": instance + 1,
                        "score": 1.0,
                    }
                )
            picks = {
                "pickable_object_name": structure,
                "user_id": "frazil",
                "session_id": "simulated",
                "run_name": name,
                "voxel_spacing": self.frame.pixel_size,
                "unit": "angstrom",
                "points": points,
            }
            with atomic_path(folder / f"frazil_simulated_{structure}.json") as temporary:
                temporary.write_text(json.dumps(picks, indent=1))
