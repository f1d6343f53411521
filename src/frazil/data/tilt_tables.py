"""Tilt series in RELION 5's tables: a list of tomograms, and a table of images for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from frazil.data.ctf_columns import columns_of_ctf
from frazil.io import write_tables
from frazil.physics import CTF
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


def write_tilt_series(out: Path, scheme: TiltScheme, lenses: Mapping[str, CTF | None], frame: TomogramFrame) -> None:
    """Write the list of tomograms, and of each, by its name, the images' table and their angles (.tlt)."""
    (out / _SERIES).mkdir(exist_ok=True)
    series = scheme.series(None)
    images = pd.DataFrame(
        {
            "rlnTomoNominalStageTiltAngle": scheme.angles.numpy(),
            "rlnMicrographPreExposure": (series.dose - scheme.dose_per_tilt / 2).numpy(),
            "rlnTomoXTilt": 0.0,
            "rlnTomoYTilt": scheme.angles.numpy(),
            "rlnTomoZRot": 0.0,
            "rlnTomoXShiftAngst": 0.0,
            "rlnTomoYShiftAngst": 0.0,
            "rlnCtfScalefactor": torch.deg2rad(scheme.angles).cos().numpy(),
        }
    )
    for name, lens in lenses.items():
        own = {} if lens is None else columns_of_ctf(lens.map(lambda values: values.expand(len(series))))
        kept = {column: values for column, values in own.items() if column not in _OF_MICROSCOPE}
        write_tables(out / _SERIES / f"{name}.star", {name: images.assign(**kept)})
        angles = "".join(f"{angle:.2f}\n" for angle in scheme.angles.tolist())
        (out / _SERIES / f"{name}.tlt").write_text(angles)
    write_tables(out / TOMOGRAMS, {"global": _list_of(lenses, frame, scheme)})


def _list_of(lenses: Mapping[str, CTF | None], frame: TomogramFrame, scheme: TiltScheme) -> pd.DataFrame:
    microscopes = [microscope_columns(lens) for lens in lenses.values()]
    shared = {column: np.concatenate([one[column] for one in microscopes]) for column in microscopes[0]}
    sizes = {f"rlnTomoSize{axis}": side for axis, side in zip("XYZ", frame.size, strict=True)}
    return pd.DataFrame(
        {
            "rlnTomoName": list(lenses),
            **shared,
            "rlnMicrographOriginalPixelSize": frame.pixel_size,
            "rlnTomoTiltSeriesPixelSize": frame.pixel_size,
            "rlnTomoHand": 1,
            "rlnOpticsGroupName": "opticsGroup1",
            "rlnTomoTiltSeriesStarFile": [f"{_SERIES}/{name}.star" for name in lenses],
            "rlnTomoImportFractionalDose": scheme.dose_per_tilt,
            **sizes,
        }
    )


def microscope_columns(lens: CTF | None) -> dict[str, np.ndarray]:
    """What of a lens belongs to its microscope; nothing where there is no lens."""
    return {} if lens is None else {name: columns_of_ctf(lens)[name] for name in _OF_MICROSCOPE}
