"""What every run on particles makes of its options."""

from pathlib import Path

import pytest

from frazil.recipes.running.particle_run import ParticleRun, open_run


def options(data: Path, **changes: object) -> ParticleRun:
    return ParticleRun(data / "particles.star", **{"out": Path("run"), "contrast": "light", **changes})


def test_the_room_of_a_particle_is_its_sphere_wherever_that_is_in_the_image(data: Path) -> None:
    """192 angstrom across: 75 % of them unless a diameter is given, and shifts in percent of them."""
    support = open_run(options(data, shift_percent=5.0)).support
    assert (support.radius, support.max_shift, support.reach) == pytest.approx((72.0, 9.6, 81.6))
    assert open_run(options(data, diameter=110.0)).support.radius == 55.0
