"""Particles of tomograms as stacks of their tilt images, as RELION 5 and WarpTools extract them."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from frazil.data.ctf_columns import CTF_COLUMNS
from frazil.data.tilt_tables import molecules_of
from frazil.geometry import fourier_transform, frequency_grid
from frazil.io import ImageStack, find_stack, read_tables
from frazil.io.particle_table import ANGLES, CENTRED
from frazil.io.star import join_optics
from frazil.physics import CTF
from frazil.physics.subtomograms import Molecules
from frazil.physics.tilt_backprojection import Correction, correcting
from frazil.physics.tilt_series import TiltSeries

PREMULTIPLIED = "rlnCtfDataAreCtfPremultiplied"
_OF_ALL = ("rlnImagePixelSize", "rlnImageSize", PREMULTIPLIED)  # optics groups have to share them
_PROJECTION = ["rlnTomoProjX", "rlnTomoProjY", "rlnTomoProjZ"]
_TILTS = ["rlnTomoXTilt", "rlnTomoYTilt", "rlnTomoZRot"]
_FRAMES = "rlnTomoVisibleFrames"
_STRENGTH = "rlnCtfScalefactor"
_MAY_LACK = ("phase_shift_deg", "b_factor")  # of a lens: 0 where nothing says them


@dataclass(frozen=True)
class TiltStacks:
    """Particles, a stack of tilt images each, and how the series of each tomogram was taken."""

    source: Path
    table: pd.DataFrame
    """RELION's columns, those of the optics groups joined in."""
    optics: pd.DataFrame | None
    stacks: list[ImageStack]
    series: Mapping[str, TiltSeries]
    """By the tomogram's name."""
    hand: Mapping[str, float]
    """1 where what lies below the image's plane is seen at more defocus, -1 where at less (rlnTomoHand)."""

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
        return PREMULTIPLIED in self.table and bool(self.table[PREMULTIPLIED].iloc[0])

    @property
    def has_places(self) -> bool:
        """Whether the table says, in angstrom from the tomogram's centre, where particles are (RELION 5)."""
        return set(CENTRED) <= set(self.table)

    @property
    def has_poses(self) -> bool:
        """Whether the table says how particles lie."""
        return set(ANGLES) <= set(self.table)

    @cached_property
    def molecules(self) -> Molecules:
        """How the particles lie."""
        return molecules_of(self.table)

    def images(self, row: int) -> "ParticleSpectra":
        """The images of a particle that show it, as spectra, and what lens and radiation did to them.

        At the particle's depth, where the table has it in angstrom from the tomogram's centre (RELION 5).
        """
        places, series = self._shown(row)
        hand = self.hand[str(self.table["rlnTomoName"].iloc[row])]
        depth = hand * (series.rotation[:, 2] @ self.molecules.place[row])
        transfer = series.transfer(frequency_grid(self.box, self.pixel_size), depth[None])[0]
        spectra = fourier_transform(torch.from_numpy(self.stacks[row].read(places.numpy())))
        return ParticleSpectra(spectra, transfer, series.rotation, self.premultiplied)

    def _shown(self, row: int) -> tuple[Int[Tensor, " images"], TiltSeries]:
        """Which images of its stack show a particle, and how they were taken."""
        series, held = self.series[str(self.table["rlnTomoName"].iloc[row])], len(self.stacks[row])
        visible = torch.arange(len(series))
        if _FRAMES in self.table:
            visible = visible[torch.tensor(ast.literal_eval(str(self.table[_FRAMES].iloc[row]))).bool()]
        lens = None if series.lens is None else series.lens[visible]
        strength = None if series.strength is None else series.strength[visible]
        shown = TiltSeries(series.rotation[visible], series.dose[visible], lens, strength)
        if held == len(series):  # WarpTools writes all of them
            return visible, shown
        if held != len(visible):
            where = f"{self.source}, row {row + 1}"
            of = f"its tomogram's series has {len(series)}, {len(visible)} of them visible"
            raise ValueError(f"{where}: {self.stacks[row].path} holds {held} images, {of}")
        return torch.arange(held), shown


@dataclass(frozen=True)
class ParticleSpectra:
    """The images of one particle."""

    spectra: Complex[Tensor, "tilts box half"]
    transfer: Float[Tensor, "tilts box half"]
    """Lens and radiation."""
    rotation: Float[Tensor, "tilts 3 3"]
    """From the tomogram to the microscope."""
    premultiplied: bool

    def sums(self, correction: Correction) -> tuple[Complex[Tensor, "tilts box half"], Float[Tensor, "tilts box half"]]:
        """What is added up in a volume, and the weights by which that is divided."""
        if self.premultiplied:  # all signs are right already
            size = self.transfer.abs()
            return self.spectra, size.square() if correction == "wiener" else size
        factor = correcting(self.transfer, correction)
        return self.spectra * factor, factor.square()


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
    optics = tables.get("optics")
    _refuse_mixed(optics, source)
    table = (data if optics is None else join_optics(data, optics, source)).reset_index(drop=True)
    first = {str(row["rlnTomoName"]): row for _, row in table.drop_duplicates("rlnTomoName").iterrows()}
    entries = _entries(tomograms, sorted(set(table["rlnTomoName"].astype(str))))
    series = {name: _one_series(*entry, first[name], f"{tomograms}, {name}") for name, entry in entries.items()}
    hand = {name: float(entry.get("rlnTomoHand", 1.0)) for name, (_, entry) in entries.items()}
    stacks = []
    for row, name in enumerate(table["rlnImageName"].astype(str), 1):
        path = find_stack(name, source.parent)
        if path is None:
            raise FileNotFoundError(f"{source}, row {row}: {name} is not there")
        stacks.append(ImageStack(path))
    return TiltStacks(source, table, optics, stacks, series, hand)


def _refuse_mixed(optics: pd.DataFrame | None, source: Path) -> None:
    """ValueError where optics groups have other pixels, boxes or corrections: they do not make volumes of one kind."""
    for column in _OF_ALL:
        if optics is not None and column in optics and optics[column].nunique() > 1:
            values = ", ".join(f"{float(value):g}" for value in optics[column].unique())
            raise ValueError(f"{source}: {column} is {values} in its optics groups; take one at a time")


def _beside(name: str, table: Path) -> Path:
    path = find_stack(name, table.parent)
    if path is None:
        raise FileNotFoundError(f"{table}: {name} is not there")
    return path


def _entries(tomograms: Path, names: list[str]) -> dict[str, tuple[pd.DataFrame, pd.Series]]:
    """Of each tomogram the table of its images, and its row in the list."""
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
        found[name] = (own, entry)
    return found


def _one_series(images: pd.DataFrame, entry: pd.Series, particle: pd.Series, where: str) -> TiltSeries:
    """What the images' own table does not say of the lens stands in the list or in the particles' optics."""
    before = images.get("rlnMicrographPreExposure", pd.Series(np.zeros(len(images))))
    half = float(entry.get("rlnTomoImportFractionalDose", 0.0)) / 2
    dose = torch.from_numpy(before.to_numpy(np.float32, copy=True)) + half
    rotation, strength = _rotations(images, where), None
    if _STRENGTH in images:
        strength = torch.from_numpy(images[_STRENGTH].to_numpy(np.float32, copy=True))
    if "rlnDefocusU" not in images:
        return TiltSeries(rotation, dose, None, strength)
    values = {}
    for name, column in CTF_COLUMNS.items():
        given = next((source[column] for source in (images, entry, particle) if column in source), None)
        if given is None and name not in _MAY_LACK:
            raise ValueError(f"{where}: says nothing of {column}, nor does the particles' table")
        numbers = np.asarray(0.0 if given is None else given, np.float32)
        values[name] = torch.from_numpy(np.broadcast_to(numbers, len(images)).copy())
    return TiltSeries(rotation, dose, CTF(**values), strength)


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
