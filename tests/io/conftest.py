"""Small files of every kind."""

from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest


@pytest.fixture
def star(tmp_path: Path) -> Callable[..., Path]:
    """Writes a text to a STAR file."""

    def write(text: str, name: str = "particles.star") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def stack(tmp_path: Path) -> Callable[..., Path]:
    """Writes images with mrcfile, an implementation that is not ours."""

    def write(images: np.ndarray, name: str = "stack.mrcs", pixel_size: float = 1.5) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        compression = {".gz": "gzip", ".bz2": "bzip2"}.get(path.suffix)
        with mrcfile.new(path, images, compression=compression, overwrite=True) as mrc:
            mrc.set_image_stack()
            mrc.voxel_size = pixel_size
        return path

    return write
