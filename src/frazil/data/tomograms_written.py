"""RELION 5's tables of simulated tomograms, written: a list of them, a table of images for each, the molecules.

How real series were taken is read in `data/tomograms_read.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frazil.data.ctf_columns import columns_of_ctf
from frazil.geometry import rotation_to_euler
from frazil.io import atomic_path, group_optics, write_tables
from frazil.io.particle_table import ANGLES, CENTRED, CLASS, ORIGINS_3D, opposite
from frazil.physics import CTF
from frazil.physics.subtomograms import Molecules
from frazil.physics.tilt_scheme import TiltScheme

TOMOGRAMS = "tomograms.star"
_SERIES = "tilt_series"
_OF_MICROSCOPE = ["rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast"]


@dataclass(frozen=True)
class TomogramFrame:
    """What all tomograms of a data set share."""

    size: tuple[int, int, int]
    """Pixels along x, y, z."""
    pixel_size: float
    on_disk: bool = False
    """Whether the tomograms and the images of their tilt series are there, and not the molecules alone."""
    halves: bool = False
    """Whether tomograms of even and odd movie frames are there too."""


def half_sets(molecules: pd.DataFrame) -> pd.Series:
    """1 or 2 in turns within each class, so that each class has both halves."""
    return molecules.groupby(CLASS).cumcount() % 2 + 1


def write_tilt_series(out: Path, scheme: TiltScheme, lenses: Mapping[str, CTF | None], frame: TomogramFrame) -> None:
    """Write the list of tomograms, and of each, by its name, the images' table and their angles (.tlt)."""
    (out / _SERIES).mkdir(exist_ok=True)
    for number, (name, lens) in enumerate(lenses.items()):
        own_scheme = scheme.of_tomogram(number)
        images = _images(own_scheme)
        seen = {} if lens is None else columns_of_ctf(lens)
        own = {column: values.repeat(len(images)) for column, values in seen.items() if column not in _OF_MICROSCOPE}
        stack = [f"{image:06d}@{_SERIES}/{name}.mrcs" for image in range(1, len(images) + 1)]
        named = {"rlnMicrographName": stack} if frame.on_disk else {}
        write_tables(out / _SERIES / f"{name}.star", {name: images.assign(**named, **own)})
        with atomic_path(out / _SERIES / f"{name}.tlt") as temporary:
            temporary.write_text("".join(f"{angle:.2f}\n" for angle in own_scheme.angles.tolist()))
    write_tables(out / TOMOGRAMS, {"global": _list_of(lenses, frame, scheme)})


def _images(scheme: TiltScheme) -> pd.DataFrame:
    """How the images of one tomogram were taken."""
    return pd.DataFrame(
        {
            "rlnTomoNominalStageTiltAngle": scheme.stage_angles.numpy(),
            "rlnMicrographPreExposure": (scheme.series(None).dose - scheme.dose_per_tilt / 2).numpy(),
            "rlnTomoXTilt": 0.0,
            "rlnTomoYTilt": scheme.angles.numpy(),
            "rlnTomoZRot": scheme.tilt_axis,
            "rlnTomoXShiftAngst": 0.0,
            "rlnTomoYShiftAngst": 0.0,
            # Thicker ice adds noise here, and takes nothing of the signal.
            "rlnCtfScalefactor": 1.0,
        }
    )


def _list_of(lenses: Mapping[str, CTF | None], frame: TomogramFrame, scheme: TiltScheme) -> pd.DataFrame:
    microscopes, _ = tomograms_and_optics(lenses)
    group = microscopes.pop("rlnOpticsGroup")
    sizes: dict[str, Any] = {f"rlnTomoSize{axis}": side for axis, side in zip("XYZ", frame.size, strict=True)}
    if frame.on_disk:
        of = {"": "tomograms"} | ({"Half1": "even", "Half2": "odd"} if frame.halves else {})
        sizes |= {
            f"rlnTomoReconstructedTomogram{half}": [f"{folder}/{name}.mrc" for name in lenses]
            for half, folder in of.items()
        }
    columns: dict[str, Any] = {
        "rlnMicrographOriginalPixelSize": frame.pixel_size,
        "rlnTomoTiltSeriesPixelSize": frame.pixel_size,
        "rlnTomoHand": 1,
        "rlnOpticsGroupName": [f"opticsGroup{number}" for number in group],
        "rlnTomoTiltSeriesStarFile": [f"{_SERIES}/{name}.star" for name in lenses],
        "rlnTomoImportFractionalDose": scheme.dose_per_tilt,
        **sizes,
    }
    return microscopes.assign(**columns)


def tomograms_and_optics(lenses: Mapping[str, CTF | None]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tomograms, each with its microscope and optics group, and the groups, one for each microscope."""
    microscopes = [microscope_columns(lens) for lens in lenses.values()]
    shared = {column: np.concatenate([one[column] for one in microscopes]) for column in microscopes[0]}
    return group_optics(pd.DataFrame({"rlnTomoName": list(lenses), **shared}))


def molecules_and_optics(
    lenses: Mapping[str, CTF | None], every: Sequence[Molecules]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The molecules of all tomograms, and the optics groups that they were imaged in."""
    tomograms, optics = tomograms_and_optics(lenses)
    each = zip(lenses, every, tomograms["rlnOpticsGroup"], strict=True)
    rows = [pd.DataFrame(molecule_columns(*own)) for own in each]
    return pd.concat(rows, ignore_index=True), optics


def molecule_columns(name: str, molecules: Molecules, optics_group: int) -> dict[str, object]:
    """What tables say of the molecules of a tomogram: where their boxes are, and how they lie in them."""
    count, picked = len(molecules), (molecules.place - molecules.within).numpy()
    columns: dict[str, object] = {
        "rlnTomoName": [name] * count,
        "rlnTomoParticleName": [f"{name}/{number}" for number in range(1, count + 1)],
        CLASS: molecules.structure.numpy() + 1,
        "rlnOpticsGroup": optics_group,
    }
    columns |= dict(zip(CENTRED, picked.T, strict=True))
    columns |= dict(zip(ORIGINS_3D, opposite(molecules.within.numpy()).T, strict=True))
    columns |= dict(zip(ANGLES, rotation_to_euler(molecules.rotation).numpy().T, strict=True))
    return columns


def microscope_columns(lens: CTF | None) -> dict[str, np.ndarray]:
    """What of a lens belongs to its microscope; nothing where there is no lens."""
    return {} if lens is None else {name: columns_of_ctf(lens)[name] for name in _OF_MICROSCOPE}
