"""`frazil extract`: particles cut out of micrographs, as a stack with its table."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import tyro
from jaxtyping import Float
from torch import Tensor

from frazil.data.ctf_columns import columns_of_ctf
from frazil.data.extraction import cut_out, normalised, whole_boxes
from frazil.data.lens_tables import micrograph_lenses
from frazil.io import ParticleTable, read_tables, refuse_what_is_there, write_particles
from frazil.io.coordinates import (
    PIXELS_COUNTED,
    Coordinates,
    read_coordinates,
    refuse_namesakes,
    refuse_other_pixels,
    refuse_topaz_on_tiff,
)
from frazil.io.micrographs import find_micrographs, known_pixel_size, micrograph_stem, read_micrograph
from frazil.io.particle_table import ORIGINS, group_optics, opposite
from frazil.io.stacks import StackWriter
from frazil.io.star import in_angstrom, join_optics
from frazil.physics import CTF, CTFRanges
from frazil.recipes.running.progress import progress_bar

_ROOM = 1.5  # diameters: the side of a box
_STALE = ("rlnImageName", "rlnImagePixelSize", "rlnImageSize", "rlnOpticsGroupName")
_SCORE = "rlnAutopickFigureOfMerit"
_ALIKE = 1e-3  # by how much pixel sizes may differ
_PLACE = ["rlnCoordinateX", "rlnCoordinateY"]


@dataclass(frozen=True)
class Extract:
    """Cut particles out of micrographs: a stack and its STAR file, for frazil, RELION and cryoSPARC.

    Backgrounds are made flat, of mean 0 and variance 1. What a STAR file of coordinates says of a particle, its angles
    and lens too, is kept. Particles whose box would leave the micrograph are left out.
    """

    micrographs: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MICROGRAPHS")]
    """Folder of micrographs (MRC, PNG, TIFF), or a STAR file that names them."""
    coordinates: Path
    """Where their particles are: STAR (RELION; of `frazil pick apply`), .txt (Topaz), or a folder of .box or .cbox."""
    out: Path
    """Folder for particles.mrcs and particles.star."""
    diameter: float
    """Particle diameter in angstrom; beyond it is background."""
    box: int | None = None
    """Side of what is cut out, in pixels of the micrograph; default one and a half diameters."""
    scale_to: int | None = None
    """Side of the images that are written, in pixels; default as cut out."""
    ctf: Path | None = None
    """STAR file with the lens of each micrograph; default what the coordinates' file says."""
    lens: Annotated[CTFRanges, tyro.conf.arg(name="")] = field(default_factory=CTFRanges)
    """Its microscope fills what --ctf leaves out (voltage, Cs, amplitude contrast)."""
    pixel_size: float | None = None
    """Of the micrographs, in angstrom, where their files do not say."""
    threshold: float | None = None
    """Least score of a pick (rlnAutopickFigureOfMerit)."""
    invert: bool = True
    """Make protein, dark on micrographs, light."""


@dataclass(frozen=True)
class _Cut:
    """What is cut out of every micrograph."""

    options: Extract
    pixel_size: float
    box: int
    side: int
    lenses: dict[str, CTF] | None

    @property
    def written_pixel_size(self) -> float:
        return self.pixel_size * self.box / self.side

    def of(self, path: Path, table: pd.DataFrame) -> tuple[pd.DataFrame, Float[Tensor, "_count _side _side"] | None]:
        """The particles of a micrograph whose boxes lie within it: their rows, and their images if there are any."""
        raw, options = read_micrograph(path), self.options
        pixel_size = known_pixel_size(path, raw, options.pixel_size)
        if abs(pixel_size / self.pixel_size - 1) > _ALIKE:
            raise ValueError(f"{path}: has pixels of {pixel_size:g} angstrom, others {self.pixel_size:g}")
        for told in set(table.get(PIXELS_COUNTED, ())):
            refuse_other_pixels(options.coordinates, path.name, float(told), pixel_size)
        table = table.drop(columns=PIXELS_COUNTED, errors="ignore")
        centres, whole = whole_boxes(
            table[_PLACE].to_numpy(np.float64), self.box, (raw.image.shape[1], raw.image.shape[0])
        )
        if not whole.any():
            return table[whole], None
        boxes = cut_out(raw.image, centres[whole], self.box)
        try:
            images = normalised(boxes, options.diameter / 2 / pixel_size, self.side)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        rows = self._moved(table[whole], centres[whole]).assign(**self._lens(path))
        return rows, -images if options.invert else images

    def _moved(self, rows: pd.DataFrame, centres: np.ndarray) -> pd.DataFrame:
        """Rows that say by how much a particle is off the pixel that its box is around (RELION's sign)."""
        off = opposite((rows[_PLACE].to_numpy(np.float64) - centres) * self.pixel_size)
        origins = {name: rows.get(name, 0.0) + off[:, axis] for axis, name in enumerate(ORIGINS)}
        return rows.assign(**dict(zip(_PLACE, centres.T.astype(float), strict=True)), **origins)

    def _lens(self, path: Path) -> dict[str, Any]:
        if self.lenses is None:
            return {}
        if (lens := self.lenses.get(micrograph_stem(path.name))) is None:
            raise ValueError(f"{self.options.ctf}: says nothing of {path.name}")
        return {name: value[0] for name, value in columns_of_ctf(lens).items()}


def extract(options: Extract) -> None:
    """Write the stack, then the table; says how many on the terminal."""
    _check(options)
    paths, tables = find_micrographs(options.micrographs), _tables(options)
    chosen = [path for path in paths if micrograph_stem(path.name) in tables]
    if not chosen:
        raise ValueError(f"{options.coordinates}: names no micrograph of {options.micrographs} ({paths[0].name}, say)")
    cut = _cut(options, chosen[0])
    stack, table = options.out / "particles.mrcs", options.out / "particles.star"
    refuse_what_is_there(stack, table)
    options.out.mkdir(parents=True, exist_ok=True)
    kept, told = [], 0
    with StackWriter(stack, None, cut.side, cut.written_pixel_size) as writer:
        with progress_bar("micrographs", len(chosen)) as advance:
            for path in chosen:
                own = tables[micrograph_stem(path.name)]
                rows, images = cut.of(path, own)
                told += len(own)
                if images is not None:
                    writer.write(images.numpy())
                    kept.append(rows.assign(rlnMicrographName=path.name))
                advance(1)
        if not kept:
            raise ValueError(f"no box of {cut.box} px lies within its micrograph; give a smaller --box")
    data = pd.concat(kept, ignore_index=True)
    _write_table(table, data, cut)
    print(f"{table}: {len(data)} particles of {len(chosen)} micrographs; {told - len(data)} too near an edge")
    if len(paths) > len(chosen):
        print(f"{len(paths) - len(chosen)} micrographs have no particles")


def _check(options: Extract) -> None:
    for name in ("diameter", "box", "scale_to"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise ValueError(f"--{name.replace('_', '-')} must be positive, it is {value:g}")


def _cut(options: Extract, first: Path) -> _Cut:
    pixel_size = known_pixel_size(first, read_micrograph(first), options.pixel_size)
    box = options.box or 2 * math.ceil(_ROOM * options.diameter / pixel_size / 2)
    side = options.scale_to or box
    if box * pixel_size < options.diameter:
        least = math.ceil(options.diameter / pixel_size)
        raise ValueError(f"--box {box}: a particle of {options.diameter:g} angstrom needs {least} px or more")
    if side > box:
        raise ValueError(f"--scale-to {side}: is more than the {box} px that are cut out")
    lenses = None if options.ctf is None else micrograph_lenses(options.ctf, options.lens)
    return _Cut(options, pixel_size, box, side, lenses)


def _tables(options: Extract) -> dict[str, pd.DataFrame]:
    """Rows by micrograph, with all that a STAR file says of them."""
    source = options.coordinates
    refuse_topaz_on_tiff(source, find_micrographs(options.micrographs))
    if source.suffix.lower() == ".star":
        data = _star_rows(source)
    else:
        found = [_rows_of(stem, own) for stem, own in read_coordinates(source).items() if len(own.places)]
        if not found:
            raise ValueError(f"{source}: holds no particles")
        data = pd.concat(found, ignore_index=True)
    if options.threshold is not None:
        if _SCORE not in data:
            raise ValueError(f"{source}: has no scores ({_SCORE}) for --threshold")
        best, data = data[_SCORE].max(), data[data[_SCORE] >= options.threshold]
        if data.empty:
            raise ValueError(f"{source}: no score reaches --threshold {options.threshold:g}; the best is {best:g}")
    stems = data["rlnMicrographName"].astype(str).map(micrograph_stem)
    return {str(stem): own.reset_index(drop=True) for stem, own in data.groupby(stems, sort=False)}


def _rows_of(stem: str, own: Coordinates) -> pd.DataFrame:
    rows = pd.DataFrame(own.places, columns=_PLACE).assign(rlnMicrographName=stem)
    return rows if own.scores is None else rows.assign(**{_SCORE: own.scores})


def _star_rows(path: Path) -> pd.DataFrame:
    tables = read_tables(path)
    rows = next((table for table in tables.values() if {"rlnMicrographName", *_PLACE} <= set(table)), None)
    if rows is None:
        raise ValueError(f"{path}: has no columns rlnMicrographName, {', '.join(_PLACE)}")
    rows = in_angstrom(join_optics(rows, tables["optics"], path) if "optics" in tables else rows)
    if "rlnOriginX" in rows:
        raise ValueError(f"{path}: has rlnOriginX in pixels, and no rlnPixelSize or rlnMagnification to say how wide")
    refuse_namesakes(rows["rlnMicrographName"], path)
    return rows.drop(columns=[name for name in _STALE if name in rows], errors="ignore")


def _write_table(path: Path, data: pd.DataFrame, cut: _Cut) -> None:
    names = [f"{place:06d}@particles.mrcs" for place in range(1, len(data) + 1)]
    images: dict[str, Any] = {
        "rlnImageName": names,
        "rlnImagePixelSize": cut.written_pixel_size,
        "rlnImageSize": cut.side,
    }
    data, optics = group_optics(data.assign(**images))
    write_particles(path, ParticleTable(path, data, optics.assign(rlnImageDimensionality=2)))
