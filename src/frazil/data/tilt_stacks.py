"""Particles of tomograms as stacks of their tilt images, as RELION 5 and WarpTools extract them."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from frazil.data.ctf_columns import CTF_COLUMNS
from frazil.geometry import euler_to_rotation, fourier_transform
from frazil.io import ImageStack, find_stack, read_tables
from frazil.io.star import join_optics
from frazil.physics import CTF
from frazil.physics.tomography import TiltSeries

_PREMULTIPLIED = "rlnCtfDataAreCtfPremultiplied"
_PROJECTION = ["rlnTomoProjX", "rlnTomoProjY", "rlnTomoProjZ"]
_TILTS = ["rlnTomoXTilt", "rlnTomoYTilt", "rlnTomoZRot"]
_FRAMES = "rlnTomoVisibleFrames"


@dataclass(frozen=True)
class TiltStacks:
    """Particles, a stack of tilt images each, and how the series of each tomogram was taken."""

    source: Path
    table: pd.DataFrame
    """RELION's columns, those of the optics groups joined in."""
    stacks: list[ImageStack]
    series: Mapping[str, TiltSeries]
    """By the tomogram's name."""

    def __len__(self) -> int:
        return len(self.stacks)

    @property
    def box(self) -> int:
        """Side of the images in pixels."""
        return self.stacks[0].box

    @property
    def pixel_size(self) -> float:
        """Angstrom."""
        if "rlnImagePixelSize" in self.table:
            return float(self.table["rlnImagePixelSize"].iloc[0])
        return self.stacks[0].pixel_size

    @property
    def premultiplied(self) -> bool:
        """Whether the images were multiplied by their CTF when they were extracted."""
        return _PREMULTIPLIED in self.table and bool(self.table[_PREMULTIPLIED].iloc[0])

    def rotation(self, row: int) -> Float[Tensor, "3 3"]:
        """From a particle's own frame to its tomogram's."""
        angles = [float(self.table[f"rlnAngle{name}"].iloc[row]) for name in ("Rot", "Tilt", "Psi")]
        return euler_to_rotation(torch.tensor(angles))

    def spectra(self, row: int) -> tuple[Complex[Tensor, "tilts box half"], TiltSeries]:
        """The images of a particle in which it can be seen, as spectra, and how they were taken."""
        series, stack = self.series[str(self.table["rlnTomoName"].iloc[row])], self.stacks[row]
        if len(stack) != len(series):
            where = f"{self.source}, row {row + 1}"
            raise ValueError(
                f"{where}: {stack.path} holds {len(stack)} images, its tomogram's series has {len(series)}"
            )
        kept = torch.arange(len(series))
        if _FRAMES in self.table:
            kept = kept[torch.tensor(ast.literal_eval(str(self.table[_FRAMES].iloc[row]))).bool()]
        images = torch.from_numpy(stack.read(kept.numpy()))
        lens = None if series.lens is None else series.lens[kept]
        return fourier_transform(images), TiltSeries(series.rotation[kept], series.dose[kept], lens)


def read_tilt_stacks(source: Path, tomograms: Path | None = None) -> TiltStacks:
    """Particles of RELION 5's optimisation set, or of a particle table and its table of tomograms.

    Series are told by their projection matrices (WarpTools), or by the angles in a table of each (RELION 5).
    ValueError, with the file and the row, for what is not so.
    """
    tables = read_tables(source)
    of_set = next((one for one in tables.values() if "rlnTomoParticlesFile" in one), None)
    if of_set is not None:
        named = [str(of_set[f"rlnTomo{kind}File"].iloc[0]) for kind in ("Particles", "Tomograms")]
        particles, found = (_beside(name, source) for name in named)
        return read_tilt_stacks(particles, tomograms or found)
    data = next((one for one in tables.values() if {"rlnImageName", "rlnTomoName"} <= set(one) and len(one)), None)
    if data is None:
        raise ValueError(
            f"{source}: lists no particles of tomograms (rlnImageName, rlnTomoName) and is no optimisation set"
        )
    if tomograms is None:
        raise ValueError(f"{source}: say how its tilt series were taken, --tomograms tomograms.star")
    table = (join_optics(data, tables["optics"], source) if "optics" in tables else data).reset_index(drop=True)
    series = _series(tomograms, sorted(set(table["rlnTomoName"].astype(str))))
    stacks = []
    for row, name in enumerate(table["rlnImageName"].astype(str), 1):
        path = find_stack(name, source.parent)
        if path is None:
            raise FileNotFoundError(f"{source}, row {row}: {name} is not there")
        stacks.append(ImageStack(path))
    return TiltStacks(source, table, stacks, series)


def _beside(name: str, table: Path) -> Path:
    path = find_stack(name, table.parent)
    if path is None:
        raise FileNotFoundError(f"{table}: {name} is not there")
    return path


def _series(tomograms: Path, names: list[str]) -> dict[str, TiltSeries]:
    tables = read_tables(tomograms)
    listed = next((one for one in tables.values() if "rlnTomoName" in one), pd.DataFrame({"rlnTomoName": []}))
    found = {}
    for name in names:
        rows = listed[listed["rlnTomoName"].astype(str) == name]
        if rows.empty:
            raise ValueError(f"{tomograms}: says nothing of the tomogram {name}")
        entry = rows.iloc[0]
        own = tables.get(name)
        if own is None and "rlnTomoTiltSeriesStarFile" in entry:
            own = next(iter(read_tables(_beside(str(entry["rlnTomoTiltSeriesStarFile"]), tomograms)).values()))
        if own is None:
            raise ValueError(f"{tomograms}: has no table of the images of {name}, and names none")
        found[name] = _one_series(own, entry, f"{tomograms}, {name}")
    return found


def _one_series(images: pd.DataFrame, entry: pd.Series, where: str) -> TiltSeries:
    dose = images.get("rlnMicrographPreExposure", pd.Series(np.zeros(len(images))))
    lens = None
    if "rlnDefocusU" in images:
        values = {}
        for name, column in CTF_COLUMNS.items():
            given = images[column] if column in images else entry.get(column, 0.0)
            values[name] = torch.as_tensor(np.broadcast_to(np.asarray(given, np.float32), len(images)).copy())
        lens = CTF(**values)
    return TiltSeries(_rotations(images, where), torch.from_numpy(dose.to_numpy(np.float32, copy=True)), lens)


def _rotations(images: pd.DataFrame, where: str) -> Float[Tensor, "tilts 3 3"]:
    """From the tomogram to the microscope: the projection's rows, or Rz Ry Rx of the angles."""
    if set(_PROJECTION) <= set(images):
        rows = [[ast.literal_eval(str(text))[:3] for text in images[axis]] for axis in _PROJECTION]
        return torch.tensor(rows).transpose(0, 1).float()
    if not set(_TILTS) <= set(images):
        raise ValueError(f"{where}: has neither {_PROJECTION[0]} nor {_TILTS[1]} to tell how its images were tilted")
    x, y, z = (torch.deg2rad(torch.from_numpy(images[name].to_numpy(np.float32, copy=True))) for name in _TILTS)
    return _about(z, 2) @ _about(y, 1) @ _about(x, 0)


def _about(angle: Float[Tensor, " tilts"], axis: int) -> Float[Tensor, "tilts 3 3"]:
    first, second = [(1, 2), (2, 0), (0, 1)][axis]
    turn = torch.eye(3).repeat(len(angle), 1, 1)
    turn[:, first, first] = turn[:, second, second] = angle.cos()
    turn[:, first, second], turn[:, second, first] = -angle.sin(), angle.sin()
    return turn
