"""Coordinates of particles on micrographs, as RELION and pickers read and write them: Topaz, EMAN, crYOLO."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import splitext
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from frazil.io.atomic import atomic_path
from frazil.io.micrographs import TIFF, micrograph_stem
from frazil.io.star import join_optics, read_tables, write_tables

_RELION = ("rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit")
_TOPAZ = ("image_name", "x_coord", "y_coord", "score")
_IMAGES = (".mrc", ".tiff", ".tif", ".png", ".jpg", ".jpeg")  # suffixes that Topaz takes off names
_ROOM = 1.25  # of a particle's diameter: the side of the boxes that pickers are given
PIXELS_COUNTED = "rlnMicrographPixelSize"
"""Column of the pixel size that coordinates count."""
_ALIKE = 1e-3  # by how much pixel sizes may differ
_CORNER, _SIDES = ("CoordinateX", "CoordinateY"), ("Width", "Height")


@dataclass(frozen=True)
class Coordinates:
    """Places of particles on one micrograph, in its pixels."""

    places: Float[np.ndarray, "count xy"]
    scores: Float[np.ndarray, " count"] | None = None
    pixel_size: float | None = None
    """Of that micrograph in angstrom, where the file says it."""


def read_coordinates(source: Path) -> dict[str, Coordinates]:
    """Coordinates by the micrograph's name without folder and suffix.

    From a STAR table (rlnMicrographName, rlnCoordinateX, rlnCoordinateY; the scores rlnAutopickFigureOfMerit), Topaz's
    table (image_name, x_coord, y_coord; score), or a folder of EMAN's .box or crYOLO's .cbox files. ValueError with a
    sentence for what is none of these.
    """
    if source.is_dir():
        boxes = sorted([*source.glob("*.box"), *source.glob("*.cbox")])
        if not boxes:
            raise ValueError(f"{source}: holds no .box or .cbox files")
        return {path.stem: _read_box(path) for path in boxes}
    if source.suffix.lower() != ".star":
        return _by_micrograph(_topaz_table(source), _TOPAZ)
    tables = read_tables(source)
    for table in tables.values():
        if set(_RELION[:3]) <= set(table):
            refuse_namesakes(table["rlnMicrographName"], source)
            grouped = "optics" in tables and "rlnOpticsGroup" in table
            return _by_micrograph(join_optics(table, tables["optics"], source) if grouped else table, _RELION)
    raise ValueError(f"{source}: has no columns {', '.join(_RELION[:3])}")


def refuse_other_pixels(source: Path, micrograph: str, told: float | None, pixel_size: float) -> None:
    """ValueError where a file tells of other pixels (angstrom) on a micrograph than it has."""
    if told is not None and abs(told / pixel_size - 1) > _ALIKE:
        raise ValueError(
            f"{source}: coordinates on {micrograph} count pixels of {told:g} angstrom ({PIXELS_COUNTED}), but it has"
            f" pixels of {pixel_size:g}"
        )


def refuse_topaz_on_tiff(source: Path, micrographs: Sequence[Path]) -> None:
    """ValueError for Topaz's table of micrographs in TIFF, whose rows Topaz alone counts from the other end."""
    if source.is_file() and source.suffix.lower() != ".star":
        for path in micrographs:
            if path.suffix.lower() in TIFF:
                raise ValueError(
                    f"{source}: counts the rows of {path.name} from the other end; convert it to MRC first"
                )


def refuse_namesakes(names: pd.Series, source: Path) -> None:
    """ValueError where a table names micrographs of several folders alike: they could not be told apart."""
    known: dict[str, str] = {}
    for name in dict.fromkeys(names.astype(str)):
        if (other := known.setdefault(micrograph_stem(name), name)) != name:
            raise ValueError(f"{source}: {other} and {name} are told apart by their folders alone; take one at a time")


def _without_suffix(name: str) -> str:
    stem, suffix = splitext(name)
    return stem if suffix in _IMAGES else name


def _topaz_table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        table = pd.read_csv(path, sep="\t", dtype={_TOPAZ[0]: str})
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError):
        table = pd.DataFrame()
    if missing := [name for name in _TOPAZ[:3] if name not in table]:
        raise ValueError(f"{path}: has no column {missing[0]}; coordinates are STAR, Topaz's .txt or a folder of boxes")
    return table


def _by_micrograph(table: pd.DataFrame, columns: Sequence[str]) -> dict[str, Coordinates]:
    name, x, y, score = columns
    found = {}
    stems = table[name].astype(str).map(micrograph_stem if columns is _RELION else _without_suffix)
    for stem, own in table.groupby(stems.to_numpy(), sort=False):
        scores = own[score].to_numpy(np.float64) if score in own else None
        pixel_size = float(own[PIXELS_COUNTED].iloc[0]) if PIXELS_COUNTED in own else None
        found[str(stem)] = Coordinates(own[[x, y]].to_numpy(np.float64), scores, pixel_size)
    return found


def _read_box(path: Path) -> Coordinates:
    if path.suffix == ".cbox":
        return _read_cbox(path)
    lines = path.read_text().splitlines()
    try:
        rows = np.array([[float(value) for value in line.split()[:4]] for line in lines if line.strip()])
    except ValueError:
        raise ValueError(f"{path}: a line of a .box file holds four numbers, x, y and the sides of the box") from None
    if rows.size and rows.shape[1] != 4:
        raise ValueError(f"{path}: a line of a .box file holds four numbers, not {rows.shape[1]}")
    rows = rows.reshape(-1, 4)
    return Coordinates(rows[:, :2] + rows[:, 2:] // 2)


def _read_cbox(path: Path) -> Coordinates:
    for table in read_tables(path).values():
        if {"CoordinateX", "CoordinateY", "Width", "Height"} <= set(table):
            corners, sides = (table[list(two)].to_numpy(np.float64) for two in (_CORNER, _SIDES))
            scores = table["Confidence"].to_numpy(np.float64) if "Confidence" in table else None
            return Coordinates(corners + sides // 2, scores)
    raise ValueError(f"{path}: has no columns CoordinateX, CoordinateY, Width and Height")


def write_relion(path: Path, found: Mapping[str, Coordinates]) -> None:
    """A STAR table of picks and their scores."""
    rows = []
    for name, own in found.items():
        scores = np.zeros(len(own.places)) if own.scores is None else own.scores
        rows += [(name, x, y, score) for (x, y), score in zip(own.places.tolist(), scores.tolist(), strict=True)]
    write_tables(path, {"": pd.DataFrame(rows, columns=list(_RELION))})


def write_for_pickers(out: Path, table: str, found: Mapping[str, Coordinates], diameters: Mapping[str, float]) -> None:
    """Write coordinates for Topaz (`table`), EMAN (boxes/) and crYOLO (cboxes/) into a folder.

    Coordinates and the particles' diameters in pixels, both by the micrographs' names; a box is a quarter wider.
    """
    for folder in ("boxes", "cboxes"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name, own in found.items():
        stem, box = micrograph_stem(name), 2 * round(_ROOM * diameters[name] / 2)
        write_eman_box(out / "boxes" / f"{stem}.box", own.places, box)
        write_cbox(out / "cboxes" / f"{stem}.cbox", own.places, box, own.scores)
    write_topaz(out / table, found)


def write_topaz(path: Path, found: Mapping[str, Coordinates]) -> None:
    """Write Topaz's table: image_name (without its suffix), x_coord, y_coord in whole pixels; score where there are."""
    scored = all(own.scores is not None for own in found.values())
    with atomic_path(path) as temporary, temporary.open("w") as file:
        file.write("\t".join(_TOPAZ if scored else _TOPAZ[:3]) + "\n")
        for name, own in found.items():
            scores = [""] * len(own.places) if own.scores is None else [f"\t{score:.6g}" for score in own.scores]
            file.writelines(
                f"{micrograph_stem(name)}\t{round(x)}\t{round(y)}{score}\n"
                for (x, y), score in zip(own.places.tolist(), scores, strict=True)
            )


def write_eman_box(path: Path, centres: np.ndarray, box: int) -> None:
    """Write EMAN's .box file of one micrograph: the corner of each box, and its sides."""
    corners = np.rint(centres).astype(int) - box // 2
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{x}\t{y}\t{box}\t{box}\n" for x, y in corners.tolist()))


def write_cbox(path: Path, centres: np.ndarray, box: int, scores: np.ndarray | None = None) -> None:
    """Write crYOLO's .cbox file of one micrograph: the corner of each box, which may lie between pixels."""
    corners = centres - box // 2
    count = len(centres)
    unknown, sides, confidence = ["<NA>"] * count, [box] * count, np.ones(count) if scores is None else scores
    columns = {"CoordinateX": corners[:, 0], "CoordinateY": corners[:, 1], "CoordinateZ": unknown, "Width": sides}
    columns |= {"Height": sides, "Depth": unknown, "EstWidth": sides, "EstHeight": sides, "Confidence": confidence}
    table = pd.DataFrame(columns | {"NumBoxes": unknown, "Angle": unknown})
    with atomic_path(path) as temporary, temporary.open("w") as file:
        file.write("\ndata_global\n\n_cbox_format_version 1.0\n\n\ndata_cryolo\n\nloop_\n")
        file.writelines(f"_{name} #{place}\n" for place, name in enumerate(table, 1))
        table.to_csv(file, sep=" ", header=False, index=False, float_format="%.6g")
        file.write("\ndata_cryolo_include\n\nloop_\n_slice_index #1\n")
