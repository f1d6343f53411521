"""A small stack and its table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from frazil.data import Particles, open_particles
from frazil.io import StackWriter

BOX, COUNT = 16, 23


@pytest.fixture
def particles(tmp_path: Path) -> Callable[..., Particles]:
    """Particles, 23 of 16 pixels, whose table has the given columns."""

    def make(count: int = COUNT, **columns: Any) -> Particles:
        images = np.random.default_rng(0).normal(size=(count, BOX, BOX)).astype(np.float32)
        with StackWriter(tmp_path / "stack.mrcs", count, BOX, 4.0) as stack:
            stack.write(images)
        names = [f"{place + 1}@stack.mrcs" for place in range(count)]
        table = pd.DataFrame({"rlnImageName": names, "rlnImagePixelSize": 4.0, **columns})
        header = "".join(f"_{name}\n" for name in table)
        rows = "".join(" ".join(map(str, row)) + "\n" for row in table.itertuples(index=False))
        (tmp_path / "particles.star").write_text(f"data_\n\nloop_\n{header}{rows}")
        return open_particles(tmp_path / "particles.star", contrast="light")

    return make


@pytest.fixture
def spoil(tmp_path: Path) -> Callable[[int], None]:
    """Makes one image of the stack constant."""

    def make_constant(place: int) -> None:
        with (tmp_path / "stack.mrcs").open("r+b") as file:
            file.seek(1024 + 4 * BOX**2 * place)
            file.write(np.zeros((BOX, BOX), np.float32).tobytes())

    return make_constant
