"""Particles of tomograms as stacks of their tilt images, as RELION 5 and WarpTools extract them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from frazil.data.tomograms_read import TomogramSeries, beside, molecules_of, read_tomograms, unturned
from frazil.geometry import fourier_transform, frequency_grid
from frazil.io import ImageStack, find_stack, read_tables
from frazil.io.particle_table import ANGLES, CENTRED, finite_numbers, refuse_twice, told_pixel_sizes
from frazil.io.star import in_angstrom, join_optics
from frazil.physics.subtomograms import Molecules
from frazil.physics.tilt_backprojection import Correction, correcting
from frazil.physics.tilt_series import TiltSeries

PREMULTIPLIED = "rlnCtfDataAreCtfPremultiplied"
_OF_ALL = ("rlnImagePixelSize", "rlnImageSize", PREMULTIPLIED)  # optics groups have to share them
_FRAMES = "rlnTomoVisibleFrames"
_FLAT, _DIMENSIONS = "rlnTomoSubTomosAre2DStacks", "rlnImageDimensionality"
_BOX = "rlnImageSize"
_OF_SET = "rlnTomoTomogramsFile"


@dataclass(frozen=True)
class TiltStacks:
    """Particles, a stack of tilt images each, and how the series of each tomogram was taken."""

    source: Path
    table: pd.DataFrame
    """RELION's columns, those of the optics groups joined in."""
    optics: pd.DataFrame | None
    stacks: list[ImageStack]
    pixel_size: float
    """Angstrom."""
    tomograms: Mapping[str, TomogramSeries]
    """By name."""
    visible: list[Int[Tensor, " _images"]]
    """Which images of its tomogram's series show each particle."""

    def __len__(self) -> int:
        return len(self.stacks)

    @property
    def box(self) -> int:
        """Side of the images in pixels."""
        return self.stacks[0].box

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
        return molecules_of(self.table, self.source)

    def images(self, row: int) -> "ParticleSpectra":
        """The images of a particle that show it, as spectra, and what lens and radiation did to them.

        At the particle's depth, where the table has it in angstrom from the tomogram's centre (RELION 5).
        """
        places, series = self._shown(row)
        depth = self._tomogram(row).hand * (series.rotation[:, 2] @ self.molecules.place[row])
        transfer = series.transfer(frequency_grid(self.box, self.pixel_size), depth[None])[0]
        spectra = fourier_transform(torch.from_numpy(self.stacks[row].read(places.numpy())))
        return ParticleSpectra(spectra, transfer, series.rotation, self.premultiplied)

    def _tomogram(self, row: int) -> TomogramSeries:
        return self.tomograms[str(self.table["rlnTomoName"].iloc[row])]

    def _shown(self, row: int) -> tuple[Int[Tensor, " images"], TiltSeries]:
        """Which images of its stack show a particle, and how they were taken."""
        series, visible = self._tomogram(row).series, self.visible[row]
        lens = None if series.lens is None else series.lens[visible]
        strength = None if series.strength is None else series.strength[visible]
        shown = TiltSeries(series.rotation[visible], series.dose[visible], lens, strength)
        # WarpTools writes all images of a series, RELION those that show the particle.
        return visible if len(self.stacks[row]) == len(series) else torch.arange(len(visible)), shown


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
        if tomograms is None and _OF_SET in of_set:
            tomograms = beside(str(of_set[_OF_SET].iloc[0]), source)
        return read_tilt_stacks(beside(str(of_set["rlnTomoParticlesFile"].iloc[0]), source), tomograms)
    data = next((one for one in tables.values() if {"rlnImageName", "rlnTomoName"} <= set(one) and len(one)), None)
    if data is None:
        raise ValueError(
            f"{source}: lists no particles of tomograms (rlnImageName, rlnTomoName) and is no optimisation set"
        )
    if tomograms is None:
        raise ValueError(f"{source}: say how its tilt series were taken, --tomograms tomograms.star")
    optics = tables.get("optics")
    _refuse_mixed(optics, source)
    table = in_angstrom(data if optics is None else join_optics(data, optics, source)).reset_index(drop=True)
    table = unturned(table, source)  # images are cut out without turning them
    _refuse_volumes(tables, table, source)
    taken = read_tomograms(tomograms, table)
    stacks = _stacks(table, source)
    pixel_size = told_pixel_sizes(table, np.array([stack.pixel_size for stack in stacks]), source)[0]
    names = table["rlnTomoName"].astype(str)
    visible = [_visible(table, row, stacks[row], len(taken[name].series), source) for row, name in enumerate(names)]
    return TiltStacks(source, table, optics, stacks, float(pixel_size), taken, visible)


def _refuse_volumes(tables: Mapping[str, pd.DataFrame], table: pd.DataFrame, source: Path) -> None:
    """ValueError where the table says that its subtomograms are volumes already."""
    flat = [float(one[_FLAT].iloc[0]) for one in tables.values() if _FLAT in one]
    if 0.0 in flat or (_DIMENSIONS in table and (table[_DIMENSIONS] == 3).any()):
        says = f"{_FLAT} 0" if 0.0 in flat else f"{_DIMENSIONS} 3"
        raise ValueError(f"{source}: its subtomograms are volumes already, not stacks of tilt images ({says})")


def _stacks(table: pd.DataFrame, source: Path) -> list[ImageStack]:
    """The stacks of images, of one side."""
    stacks: list[ImageStack] = []
    for row, name in enumerate(table["rlnImageName"].astype(str), 1):
        path = find_stack(name, source.parent)
        if path is None:
            raise FileNotFoundError(f"{source}, row {row}: {name} is not there")
        stacks.append(ImageStack(path))
        if stacks[-1].box != stacks[0].box:
            raise ValueError(f"{source}, row {row}: {path} has images of {stacks[-1].box} px, row 1 of {stacks[0].box}")
    refuse_twice((stack.path for stack in stacks), source)
    box = finite_numbers(table, _BOX, source)[0] if _BOX in table else stacks[0].box
    if box != stacks[0].box:
        raise ValueError(f"{source}: {_BOX} is {box:g}, but {stacks[0].path} has images of {stacks[0].box} px")
    return stacks


def _visible(table: pd.DataFrame, row: int, stack: ImageStack, count: int, source: Path) -> Int[Tensor, " images"]:
    """Which of a series' images show a particle: all, or those that rlnTomoVisibleFrames has a 1 for."""
    visible, where = torch.arange(count), f"{source}, row {row + 1}"
    if _FRAMES in table:
        told = str(table[_FRAMES].iloc[row])
        if not re.fullmatch(r"\[\s*[01]\s*(,\s*[01]\s*)*\]", told) or "1" not in told:
            raise ValueError(f"{where}: {_FRAMES} is {told}, not [0 or 1, ...] with a 1 in it")
        flags = torch.tensor(json.loads(told))
        if len(flags) != count:
            raise ValueError(f"{where}: {_FRAMES} has {len(flags)} entries, its tomogram's series {count} images")
        visible = flags.nonzero()[:, 0]
    if len(stack) not in (count, len(visible)):
        of = f"its tomogram's series has {count}, {len(visible)} of them visible"
        raise ValueError(f"{where}: {stack.path} holds {len(stack)} images, {of}")
    return visible


def _refuse_mixed(optics: pd.DataFrame | None, source: Path) -> None:
    """ValueError where optics groups have other pixels, boxes or corrections: they do not make volumes of one kind."""
    for column in _OF_ALL:
        if optics is not None and column in optics and optics[column].nunique() > 1:
            values = ", ".join(f"{float(value):g}" for value in optics[column].unique())
            raise ValueError(f"{source}: {column} is {values} in its optics groups; take one at a time")
