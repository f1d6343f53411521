"""MRC2014 headers and maps, with their voxel size."""

import bz2
import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from mrcfile.dtypes import HEADER_DTYPE
from torch import Tensor

from frazil.io.atomic import atomic_path

MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
HEADER_SIZE = HEADER_DTYPE.itemsize
_UNSET = 1.0  # angstrom: what many programs write for a pixel size that they do not know
_ALIKE = 0.01  # by how much two may differ that are meant to be one
UNPACKING_ERRORS = (OSError, EOFError, zlib.error)


@dataclass(frozen=True)
class Map:
    """Density on a grid: `volume` with axes z, y, x, and its voxel size in angstrom."""

    volume: Float[Tensor, "z y x"]
    pixel_size: float


@dataclass(frozen=True)
class Header:
    """What an MRC file says of itself: sizes, type of number, where the numbers begin, voxel size."""

    shape: tuple[int, int, int]
    """Sections, rows, columns, as they follow each other in the file."""
    dtype: np.dtype
    offset: int
    axes: tuple[int, int, int]
    """Which of x, y, z (1, 2, 3) the sections, rows and columns run along."""
    pixel_sizes: tuple[float, float, float]
    """Along x, y, z in angstrom; 0 where the header does not say."""

    @property
    def pixel_size(self) -> float:
        """Pixel size along x in angstrom; 0 where the header does not say."""
        return self.pixel_sizes[0]

    @property
    def data_bytes(self) -> int:
        """Length of the numbers in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def open_unpacked(path: Path) -> BufferedIOBase:
    """File opened for reading, through gzip or bzip2 where its name ends in .gz or .bz2."""
    openers: dict[str, Callable] = {".gz": gzip.open, ".bz2": bz2.open}
    return openers.get(path.suffix.lower(), open)(path, "rb")


def is_packed(path: Path) -> bool:
    """Whether the file must be unpacked before its bytes can be addressed."""
    return path.suffix.lower() in (".gz", ".bz2")


def read_header(path: Path) -> Header:
    """Header of an MRC file of any byte order; the file's length is checked against it."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    try:
        with open_unpacked(path) as file:
            raw = file.read(HEADER_SIZE)
    except UNPACKING_ERRORS as error:
        raise OSError(f"{path} could not be read: {error}") from error
    if len(raw) < HEADER_SIZE:
        raise ValueError(f"{path} is not an MRC file: it has {len(raw)} bytes, fewer than a header of {HEADER_SIZE}")
    header = _parse(raw, path)
    if not is_packed(path):
        check_length(path, header, path.stat().st_size)
    return header


def _parse(raw: bytes, path: Path) -> Header:
    for order in "<>":
        fields = np.frombuffer(raw, HEADER_DTYPE.newbyteorder(order))[0]
        shape = (int(fields["nz"]), int(fields["ny"]), int(fields["nx"]))
        # The machine stamp is often wrong or empty; a plausible size and mode tell the byte order surely.
        if all(0 < size < 2**24 for size in shape) and 0 <= fields["mode"] <= 101 and fields["nsymbt"] >= 0:
            break
    else:
        raise ValueError(f"{path} is not an MRC file: its header makes no sense in either byte order")
    mode = int(fields["mode"])
    if mode not in MODES:
        raise ValueError(f"{path}: MRC mode {mode} is not supported, only {', '.join(map(str, MODES))}")
    axes = (int(fields["maps"]), int(fields["mapr"]), int(fields["mapc"]))
    cell, intervals = fields["cella"], [fields[name] for name in ("mx", "my", "mz")]
    sizes = [float(cell[axis]) / int(n) if n > 0 else 0.0 for axis, n in zip("xyz", intervals, strict=True)]
    return Header(
        shape=shape,
        dtype=np.dtype(order + MODES[mode]),
        offset=HEADER_SIZE + int(fields["nsymbt"]),
        axes=axes if sorted(axes) == [1, 2, 3] else (3, 2, 1),
        pixel_sizes=(sizes[0], sizes[1], sizes[2]),
    )


def check_length(path: Path, header: Header, length: int) -> None:
    """Refuse a file that is shorter than its header says."""
    expected = header.offset + header.data_bytes
    if length < expected:
        sections, rows, columns = header.shape
        held = max(length - header.offset, 0) // (header.data_bytes // sections)
        raise ValueError(
            f"{path} is truncated: its header says {sections} images of {columns} x {rows} pixels ({expected} bytes),"
            f" but it has {length} bytes and holds {held}"
        )


def read_map(path: str | Path, pixel_size: float | None = None) -> Map:
    """Density map of an MRC or CCP4 file (gz and bz2 too), its axes brought to z, y, x.

    `pixel_size`, in angstrom, stands in for the header's, which must else be there.
    """
    path = Path(path)
    header = read_header(path)
    try:
        with open_unpacked(path) as file:
            file.seek(header.offset)
            raw = file.read(header.data_bytes)
    except UNPACKING_ERRORS as error:
        raise OSError(f"{path} could not be read: {error}") from error
    check_length(path, header, header.offset + len(raw))
    stored = np.frombuffer(raw, header.dtype).reshape(header.shape)
    # Position of z, y, x among the stored axes: CCP4 maps may run along them in any order.
    volume = stored.transpose([header.axes.index(axis) for axis in (3, 2, 1)]).astype(np.float32)
    if not np.isfinite(volume).all():
        raise ValueError(f"{path}: the map holds NaN or infinite values")
    return Map(torch.from_numpy(np.ascontiguousarray(volume)), pixel_size or _voxel_size(path, header))


def _voxel_size(path: Path, header: Header) -> float:
    x, y, z = header.pixel_sizes
    if min(x, y, z) <= 0:
        raise ValueError(f"{path}: its header gives no voxel size ({x:g} x {y:g} x {z:g} angstrom)")
    if max(x, y, z) > 1.01 * min(x, y, z):
        raise ValueError(f"{path}: voxels are not cubes ({x:.4g} x {y:.4g} x {z:.4g} angstrom)")
    return x


def agreed_pixel_size(source: Path, own: float | None, given: float | None) -> float:
    """Pixel size in angstrom: what `source` says (None or 0 if nothing), or else what a user gives as --pixel-size.

    A file's 1 gives way, for programs write it where they know nothing. ValueError where nobody says it, or the two
    differ.
    """
    if given is not None and not given > 0:
        raise ValueError(f"--pixel-size must be positive, it is {given:g}")
    if not own and given is None:
        raise ValueError(f"{source}: does not say its pixel size; give --pixel-size")
    if not own or given is None:
        return own or given or 0.0
    if own != _UNSET and abs(own - given) > _ALIKE * own:
        raise ValueError(f"{source}: has pixels of {own:.4g} angstrom by its own account, --pixel-size says {given:g}")
    return given


def header_bytes(
    shape: tuple[int, int, int], pixel_size: float, statistics: tuple[float, ...], *, stack: bool
) -> bytes:
    """MRC2014 header of float32 sections; `statistics` are minimum, maximum, mean and standard deviation.

    A stack has the space group 0 and one section per cell, a volume the space group 1: that is how programs tell
    the two apart.
    """
    nz, ny, nx = shape
    depth = 1 if stack else nz
    header = np.zeros((), HEADER_DTYPE.newbyteorder("<"))
    for name, value in {"nx": nx, "ny": ny, "nz": nz, "mx": nx, "my": ny, "mz": depth, "mode": 2}.items():
        header[name] = value
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["cella"] = (nx * pixel_size, ny * pixel_size, depth * pixel_size)
    header["cellb"] = (90, 90, 90)
    header["dmin"], header["dmax"], header["dmean"], header["rms"] = statistics
    header["ispg"] = 0 if stack else 1
    header["map"], header["machst"], header["nversion"] = b"MAP ", (0x44, 0x44, 0, 0), 20141
    return header.tobytes()


def write_map(path: str | Path, volume: Float[Tensor, "z y x"], pixel_size: float) -> None:
    """Write a float32 map with its voxel size; the file appears whole or not at all."""
    _write(path, volume, pixel_size, stack=False)


def write_images(path: str | Path, images: Float[Tensor, "count y x"], pixel_size: float) -> None:
    """Write a float32 stack of images with its pixel size; the file appears whole or not at all."""
    _write(path, images, pixel_size, stack=True)


def _write(path: str | Path, values: Float[Tensor, "z y x"], pixel_size: float, *, stack: bool) -> None:
    data = values.detach().cpu().to(torch.float32).numpy()
    statistics = (float(data.min()), float(data.max()), float(data.mean()), float(data.std()))
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(header_bytes(data.shape, pixel_size, statistics, stack=stack))
        file.write(np.ascontiguousarray(data, "<f4").data)
