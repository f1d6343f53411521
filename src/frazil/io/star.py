"""STAR files as RELION 3.0, 3.1 and 5, cryoSPARC's converters and Warp write them."""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from frazil.io.atomic import atomic_path
from frazil.io.cs import read_cs
from frazil.io.particle_table import ORIGINS_3D, ParticleTable, group_optics, names_seen_from

# A quoted value, a comment, or a plain value, at the start of each word.
_TOKEN = re.compile(r'"[^"]*"(?=\s|$)|\'[^\']*\'(?=\s|$)|#.*|\S+')
_OBSOLETE_ORIGINS = ["rlnOriginX", "rlnOriginY", "rlnOriginZ"]


def _tokens(line: str) -> list[str]:
    """Values of a line, without their quotes and without a comment."""
    if not any(mark in line for mark in "\"'#"):
        return line.split()
    tokens = [token for token in _TOKEN.findall(line) if not token.startswith("#")]
    quoted = re.compile(r"([\"'])(.*)\1")
    return [match[2] if (match := quoted.fullmatch(token)) else token for token in tokens]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that say something."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a STAR file: it is not text") from None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            yield number, line


def _blocks(path: Path) -> dict[str, list[tuple[int, str]]]:
    blocks: dict[str, list[tuple[int, str]]] = {}
    name = None
    for number, line in _lines(path):
        # A row may begin with a file called data_..., but only a block's name stands alone on its line.
        if line.startswith("data_") and len(line.split()) == 1:
            name = line[len("data_") :]
            if name in blocks:
                raise ValueError(f"{path}, line {number}: a second block data_{name}")
            blocks[name] = []
        elif name is None:
            raise ValueError(f"{path} is not a STAR file: line {number} stands before any line data_...")
        else:
            blocks[name].append((number, line))
    if name is None:
        raise ValueError(f"{path} is empty: it has no block data_...")
    return blocks


def read_tables(path: str | Path) -> dict[str, pd.DataFrame]:
    """Every block of a STAR file by its name (without data_); a block without a loop is one row.

    A row with too few or too many values is refused with its line, never filled up or cut.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    return {name: _table(lines, path) for name, lines in _blocks(path).items()}


def _table(lines: list[tuple[int, str]], path: Path) -> pd.DataFrame:
    looped = any(line == "loop_" for _, line in lines)
    names: list[str] = []
    single: list[str] = []
    rows: list[str] = []
    for number, line in lines:
        if line == "loop_":
            continue
        values = _tokens(line)
        if line.startswith("_") and not rows:
            names.append(values[0][1:])
            single.extend([] if looped else values[1:2])
        else:
            _check_row(values, names, f"{path}, line {number}")
            rows.append("\t".join(values))
    if names and not looped:
        _check_row(single, names, f"{path}, line {lines[0][0]}")
        rows.append("\t".join(single))
    return _frame(names, rows, path)


def _check_row(values: list[str], names: list[str], where: str) -> None:
    if len(values) != len(names):
        raise ValueError(f"{where}: {len(values)} values for {len(names)} columns")


def _frame(names: list[str], rows: list[str], path: Path) -> pd.DataFrame:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"{path}: column {min(repeated)} stands twice in one table")
    if not rows:
        return pd.DataFrame(columns=names)
    # The C parser of pandas turns columns to numbers; the rows it gets are known to be whole.
    return pd.read_csv(
        io.StringIO("\n".join(rows)),
        sep="\t",
        header=None,
        names=names,
        quoting=3,
        dtype={name: str for name in names if name.endswith("Name")},
        keep_default_na=False,
        na_values={name: ["nan", "NaN", "<NA>"] for name in names if not name.endswith("Name")},
        skip_blank_lines=False,
        low_memory=False,
    )


def read_particles(path: str | Path) -> ParticleTable:
    """Particles of a STAR file of any RELION version, or of a cryoSPARC .cs file.

    The images need not be there. Raises ValueError, with the file and the row or line, for a file that is not one.
    """
    path = Path(path)
    if path.suffix.lower() == ".cs":
        return read_cs(path)
    tables = read_tables(path)
    data = _particle_block(tables, path)
    if "optics" in tables:
        return ParticleTable(path, in_angstrom(join_optics(data, tables["optics"], path)), tables["optics"])
    return ParticleTable(path, *group_optics(in_angstrom(data)))


def _particle_block(tables: dict[str, pd.DataFrame], path: Path) -> pd.DataFrame:
    found = [name for name, table in tables.items() if "rlnImageName" in table]
    if not found:
        names = ", ".join(f"data_{name}" for name in list(tables)[:6])
        raise ValueError(f"{path} lists no particle images: there is no column rlnImageName in {names}")
    if len(found) > 1 and "particles" not in found:
        raise ValueError(f"{path} lists particle images in several blocks: {', '.join(found)}")
    data = tables["particles" if "particles" in found else found[0]]
    if data.empty:
        raise ValueError(f"{path} lists no particle images: its particle table has no rows")
    return data


def join_optics(data: pd.DataFrame, optics: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Rows of a file with the columns of their optics groups that they lack; ValueError for groups not found."""
    for block, table in {"data_optics": optics, "the table of its rows": data}.items():
        if "rlnOpticsGroup" not in table:
            raise ValueError(f"{path}: {block} has no column rlnOpticsGroup")
    missing = np.flatnonzero(~data["rlnOpticsGroup"].isin(optics["rlnOpticsGroup"]))
    if len(missing):
        group = data["rlnOpticsGroup"].iloc[missing[0]]
        raise ValueError(f"{path}, row {missing[0] + 1}: optics group {group} is not in data_optics")
    if optics["rlnOpticsGroup"].duplicated().any():
        raise ValueError(f"{path}: an optics group stands twice in data_optics")
    new = [name for name in optics if name == "rlnOpticsGroup" or name not in data]
    return data.merge(optics[new], on="rlnOpticsGroup", how="left", validate="many_to_one")


def in_angstrom(data: pd.DataFrame) -> pd.DataFrame:
    """Columns of RELION 3.0 under the names of 3.1: pixel size from the magnification, origins from pixels."""
    if "rlnImagePixelSize" not in data:
        if "rlnPixelSize" in data:
            data = data.assign(rlnImagePixelSize=data["rlnPixelSize"])
        elif {"rlnDetectorPixelSize", "rlnMagnification"} <= set(data):
            micrometres = data["rlnDetectorPixelSize"] / data["rlnMagnification"]
            data = data.assign(rlnImagePixelSize=1e4 * micrometres)
    if "rlnImagePixelSize" in data:
        for pixels, angstrom in zip(_OBSOLETE_ORIGINS, ORIGINS_3D, strict=True):
            if pixels in data and angstrom not in data:
                data = data.assign(**{angstrom: data[pixels] * data["rlnImagePixelSize"]})
        data = data.drop(columns=_OBSOLETE_ORIGINS, errors="ignore")
    return data


def write_particles(path: str | Path, table: ParticleTable) -> None:
    """Write a STAR file of RELION 3.1, data_optics and data_particles, whole or not at all.

    Every column the table was read with is kept; where all particles have what their optics groups say, it stands
    once per group.
    """
    path = Path(path)
    data = table.data.drop(columns=_as_in_groups(table.data, table.optics))
    data = data.assign(rlnImageName=names_seen_from(table, path.parent))
    write_tables(path, {"optics": table.optics, "particles": data})


def _as_in_groups(data: pd.DataFrame, optics: pd.DataFrame) -> list[str]:
    """Columns of which every particle has its optics group's value."""
    groups = optics.set_index("rlnOpticsGroup")
    both = [str(name) for name in groups if name in data]
    return [name for name in both if data[name].eq(data["rlnOpticsGroup"].map(groups[name])).all()]


def write_tables(path: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write the blocks of a STAR file by name, in RELION's way, whole or not at all."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for name, frame in tables.items():
            file.write(f"\n# version 30001\n\ndata_{name}\n\nloop_\n")
            file.writelines(f"_{column} #{place}\n" for place, column in enumerate(frame, 1))
            _quoted(frame).to_csv(
                file, sep="\t", header=False, index=False, float_format="%.10g", quoting=3, na_rep="nan"
            )
            file.write("\n")


def _quoted(frame: pd.DataFrame) -> pd.DataFrame:
    """Table whose empty texts, and those with blanks, stand in quotes."""
    texts = frame.select_dtypes(exclude="number").columns
    return frame.assign(
        **{
            name: [f'"{text}"' if not text or " " in text else text for text in frame[name].astype(str)]
            for name in texts
        }
    )
