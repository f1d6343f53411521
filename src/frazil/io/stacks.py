"""Stacks of images too large for memory, read and written a few images at a time."""

import mmap
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from frazil.io.atomic import atomic_path
from frazil.io.mrc import UNPACKING_ERRORS, check_length, header_bytes, is_packed, open_unpacked, read_header


class ImageStack:
    """Square images of one MRC stack, memory-mapped: only what is read is loaded.

    The file is mapped for the length of one `read`, so that thousands of stacks can be held without running out of
    file handles, what was read does not stay counted as the process's memory, and a stack can be sent to a worker.
    A gz or bz2 stack is unpacked once, to a temporary file without a name.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._header = read_header(self.path)
        _, rows, columns = self._header.shape
        if rows != columns:
            raise ValueError(f"{self.path}: images are {columns} x {rows} pixels, but particle images must be square")

    def __len__(self) -> int:
        return self._header.shape[0]

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return type(self), (self.path,)

    @property
    def box(self) -> int:
        """Side of the images in pixels."""
        return self._header.shape[1]

    @property
    def pixel_size(self) -> float:
        """Pixel size in angstrom by the header; 0 where it does not say."""
        return self._header.pixel_size

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Images (count, box, box) at the given places, counted from 0, as float32."""
        places = np.asarray(indices, np.int64)
        outside = places[(places < 0) | (places >= len(self))]
        if len(outside):
            raise ValueError(f"{self.path}: image {outside[0] + 1} was asked for, but it holds {len(self)}")
        if is_packed(self.path):
            return self._images(self._unpacked, places)
        with open(self.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return self._images(mapped, places)

    def _images(self, mapped: mmap.mmap, places: np.ndarray) -> np.ndarray:
        header = self._header
        count = int(np.prod(header.shape, dtype=np.int64))
        stored = np.frombuffer(mapped, header.dtype, count, header.offset).reshape(header.shape)
        # Indexing by places copies, so nothing points into the map when it is closed.
        return stored[places].astype(np.float32, copy=False)

    @cached_property
    def _unpacked(self) -> mmap.mmap:
        with tempfile.TemporaryFile() as unpacked:
            try:
                with open_unpacked(self.path) as packed:
                    shutil.copyfileobj(packed, unpacked, 2**20)
            except UNPACKING_ERRORS as error:
                raise OSError(f"{self.path} could not be unpacked: {error}") from error
            unpacked.flush()
            check_length(self.path, self._header, unpacked.tell())
            return mmap.mmap(unpacked.fileno(), 0, access=mmap.ACCESS_READ)


class StackWriter:
    """Writes a float32 stack image by image; the file appears under its name when all `count` are there.

    Use it in a `with` block and give `write` the images in their order, in batches of any size. Without a `count` as
    many as are written.
    """

    def __init__(self, path: str | Path, count: int | None, box: int, pixel_size: float) -> None:
        self.path, self.count, self.box, self.pixel_size = Path(path), count, box, pixel_size
        self._written, self._sum, self._square = 0, 0.0, 0.0
        self._low, self._high = np.inf, -np.inf

    def __enter__(self) -> "StackWriter":
        self._context = self._open()
        return self._context.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)

    @contextmanager
    def _open(self) -> Iterator["StackWriter"]:
        with atomic_path(self.path) as temporary, open(temporary, "wb") as self._file:
            self._file.write(self._header())
            yield self
            if self.count not in (None, self._written):
                raise ValueError(f"{self.path}: {self._written} images written, but {self.count} announced")
            self._file.seek(0)
            self._file.write(self._header())

    def write(self, images: np.ndarray) -> None:
        """Append images (batch, box, box)."""
        data = np.ascontiguousarray(images, "<f4")
        if data.ndim != 3 or data.shape[1:] != (self.box, self.box):
            raise ValueError(f"{self.path}: got images of shape {data.shape}, not (batch, {self.box}, {self.box})")
        self._file.write(data.data)
        self._written += len(data)
        self._sum += float(data.sum(dtype=np.float64))
        self._square += float(np.square(data, dtype=np.float64).sum())
        self._low, self._high = min(self._low, float(data.min())), max(self._high, float(data.max()))

    def _header(self) -> bytes:
        values = max(self._written * self.box**2, 1)
        mean = self._sum / values
        deviation = max(self._square / values - mean**2, 0.0) ** 0.5
        statistics = (self._low, self._high, mean, deviation) if self._written else (0.0, 0.0, 0.0, 0.0)
        count = self._written if self.count is None else self.count
        return header_bytes((count, self.box, self.box), self.pixel_size, statistics, stack=True)
