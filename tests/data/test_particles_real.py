"""Real particle images, read from disk."""

from pathlib import Path

import numpy as np
import pytest

from frazil.data import open_particles
from frazil.io import ImageStack

pytestmark = pytest.mark.data


@pytest.mark.parametrize(
    ("name", "count", "box", "pixel_size"),
    [
        ("apoferritin_empiar10146/particles.star", 1522, 64, 3.0),
        ("betagal_empiar10061/betagal_particles_192.star", 101, 192, 1.274),
    ],
)
def test_real_particles_are_read(shared_data: Path, name: str, count: int, box: int, pixel_size: float) -> None:
    particles = open_particles(shared_data / name, "dark")
    assert (len(particles), particles.box, particles.pixel_size()) == (count, box, pixel_size)
    assert len(particles.ctf) == count
    raw = ImageStack(particles.source.stacks[0].path).read([3])[0]
    read = particles.images([3])[0].numpy()
    assert np.corrcoef(raw.flatten(), read.flatten())[0, 1] == pytest.approx(-1, abs=1e-5)


def test_tilt_stacks_are_not_taken_for_single_images(shared_data: Path) -> None:
    path = next((shared_data / "ribosome_tilts_warptools").glob("*angpix-12.star"))
    with pytest.raises(ValueError, match=r"row 1: rlnImageName does not say which of the 37 images"):
        open_particles(path, "dark")
