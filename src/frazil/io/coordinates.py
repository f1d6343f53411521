"""Coordinates of particles on micrographs, as pickers read and write them: Topaz, EMAN, crYOLO."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from frazil.io.atomic import atomic_path


def write_topaz(path: Path, picks: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write Topaz's table of training particles: image_name (without its suffix), x_coord, y_coord in whole pixels.

    `picks` gives each micrograph's name and the centres (count, 2) on it.
    """
    with atomic_path(path) as temporary, temporary.open("w") as file:
        file.write("image_name\tx_coord\ty_coord\n")
        for name, centres in picks:
            file.writelines(f"{Path(name).stem}\t{round(x)}\t{round(y)}\n" for x, y in centres.tolist())


def write_eman_box(path: Path, centres: np.ndarray, box: int) -> None:
    """Write EMAN's .box file of one micrograph: the corner of each box, and its sides."""
    corners = np.rint(centres).astype(int) - box // 2
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{x}\t{y}\t{box}\t{box}\n" for x, y in corners.tolist()))


def write_cbox(path: Path, centres: np.ndarray, box: int) -> None:
    """Write crYOLO's .cbox file of one micrograph: the corner of each box, which may lie between pixels."""
    corners = centres - box // 2
    count = len(centres)
    columns = {"CoordinateX": corners[:, 0], "CoordinateY": corners[:, 1], "CoordinateZ": ["<NA>"] * count}
    columns |= {name: [box] * count for name in ("Width", "Height")} | {"Depth": ["<NA>"] * count}
    columns |= {name: [box] * count for name in ("EstWidth", "EstHeight")} | {"Confidence": [1.0] * count}
    table = pd.DataFrame(columns | {name: ["<NA>"] * count for name in ("NumBoxes", "Angle")})
    with atomic_path(path) as temporary, temporary.open("w") as file:
        file.write("\ndata_global\n\n_cbox_format_version 1.0\n\n\ndata_cryolo\n\nloop_\n")
        file.writelines(f"_{name} #{place}\n" for place, name in enumerate(table, 1))
        table.to_csv(file, sep=" ", header=False, index=False, float_format="%.6g")
        file.write("\ndata_cryolo_include\n\nloop_\n_slice_index #1\n")
