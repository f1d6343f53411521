"""cryoDRGN's pickles of poses, lenses and latents, read without running what a pickle may hold.

A pose is RELION's matrix, and a shift that brings the particle to the centre, as a fraction of the box. A lens is a
row of nine numbers: box (pixels), pixel size, defocus U and V (angstrom), astigmatism (degrees), voltage (kV),
spherical aberration (mm), amplitude contrast, phase shift (degrees).
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from frazil.geometry import Pose
from frazil.io.atomic import atomic_path

LENS_COLUMNS = (
    "rlnImageSize",
    "rlnImagePixelSize",
    "rlnDefocusU",
    "rlnDefocusV",
    "rlnDefocusAngle",
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
    "rlnPhaseShift",
)
"""RELION's names for the numbers of a lens, in their order and their units."""

_ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}
"""What arrays are made of: none of it runs what it is told."""
_TURNED = 1e-2  # by which a matrix may miss being a rotation


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f"it would run {module}.{name}")
        return super().find_class(module, name)


def read_arrays(path: Path) -> tuple[np.ndarray, ...]:
    """The numbers of a pickle that holds an array or a tuple of arrays, and nothing else."""
    try:
        with path.open("rb") as file:
            found = _ArraysOnly(file).load()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist") from None
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise ValueError(f"{path}: is no pickle of arrays ({error})") from None
    arrays = found if isinstance(found, tuple) else (found,)
    for array in arrays:
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
            raise ValueError(f"{path}: holds {type(array).__name__}, not arrays of numbers")
        if bad := np.argwhere(~np.isfinite(array)).tolist():
            raise ValueError(f"{path}: row {bad[0][0] + 1} holds a value that is not finite")
    return arrays


def read_poses(path: Path, field: float) -> Pose:
    """The poses of a pickle, for boxes of `field` angstrom; shifts are 0 where it holds none."""
    arrays = read_arrays(path)
    rotation = arrays[0]
    if rotation.ndim != 3 or rotation.shape[1:] != (3, 3) or len(arrays) > 2:
        raise ValueError(f"{path}: holds no poses, (N, 3, 3) and (N, 2), but {', '.join(str(a.shape) for a in arrays)}")
    shift = arrays[1] if len(arrays) == 2 else np.zeros((len(rotation), 2))
    if shift.shape != (len(rotation), 2):
        raise ValueError(f"{path}: {len(rotation)} rotations, but shifts of shape {shift.shape}")
    off = np.abs(rotation.swapaxes(1, 2) @ rotation - np.eye(3)).max((1, 2)) > _TURNED
    if bad := np.flatnonzero(off | (np.linalg.det(rotation) < 0)).tolist():
        raise ValueError(f"{path}: row {bad[0] + 1} is no rotation")
    if bad := np.flatnonzero(np.abs(shift).max(1) > 1).tolist():
        at = shift[bad[0]].tolist()
        raise ValueError(f"{path}: row {bad[0] + 1} is shifted by {at}, which is no fraction of a box but pixels")
    return Pose(torch.from_numpy(rotation).float(), torch.from_numpy(-shift * field).float())


def write_poses(path: Path, pose: Pose, field: float) -> None:
    """Write poses, for boxes of `field` angstrom."""
    rotation = pose.rotation.detach().cpu().double().numpy()
    _write(path, (rotation, -pose.shift.detach().cpu().double().numpy() / field))


def read_lenses(path: Path) -> np.ndarray:
    """(images, 9): the numbers of `LENS_COLUMNS`, as many digits as float32 holds."""
    (lens,) = read_arrays(path)[:1]
    if lens.ndim != 2 or lens.shape[1] != len(LENS_COLUMNS):
        raise ValueError(f"{path}: holds no lenses, ({len(LENS_COLUMNS)} numbers an image), but {lens.shape}")
    return lens.astype(np.float32).astype(str).astype(np.float64)  # through text, 2.7 in float32 stays 2.7


def write_lenses(path: Path, lens: np.ndarray) -> None:
    """Write lenses (images, 9)."""
    _write(path, lens.astype(np.float32))


def read_latents(path: Path) -> np.ndarray:
    """(images, latent)."""
    latent = read_arrays(path)[0]
    if latent.ndim != 2:
        raise ValueError(f"{path}: holds no latents, (images, numbers), but {latent.shape}")
    return latent


def write_latents(path: Path, latent: np.ndarray) -> None:
    """Write latents (images, latent)."""
    _write(path, latent.astype(np.float32))


def _write(path: Path, what: Any) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        pickle.dump(what, file, protocol=4)
