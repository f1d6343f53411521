"""The published experiments are the paper's at full size, and as hard at the small one."""

from pathlib import Path

import pytest

from frazil.data import HalfSets
from frazil.physics import GaussianEulerRotations, UniformRotations
from frazil.recipes import cryogan
from frazil.recipes.published_experiments import (
    MISMATCH,
    Experiment,
    Place,
    cryogan_betagal_real,
    cryogan_betagal_synthetic,
    cryogan_pose_mismatch,
    cryogan_ribosome_noise,
)
from frazil.recipes.running.particle_run import open_run
from frazil.recipes.simulate_particles import SimulateParticles

FULL, SMALL = Place(Path("out"), Path("data"), "gpu"), Place(Path("out"), Path("data"), "cpu")


def images(experiment: Experiment) -> SimulateParticles:
    assert experiment.images is not None
    return experiment.images


def test_the_headline_case_is_the_papers() -> None:
    experiment = cryogan_betagal_synthetic(FULL)
    simulated = images(experiment)
    assert (simulated.box, simulated.pixel_size, simulated.count) == (192, pytest.approx(1.274), 41_000)
    assert (simulated.snr_db, simulated.shift_percent, simulated.euler_variance) == (-20, 0, None)
    assert experiment.reconstruction.learning.symmetry == "D2"
    assert experiment.published is not None
    assert experiment.published.truth_half == 15.3


@pytest.mark.parametrize("make", [cryogan_betagal_synthetic, cryogan_ribosome_noise, cryogan_pose_mismatch])
def test_a_small_one_shows_the_same_field_in_as_much_noise_for_each_square_angstrom(make) -> None:
    full, small = images(make(FULL)), images(make(SMALL))
    assert small.box * small.pixel_size == pytest.approx(full.box * full.pixel_size)
    # White noise of standard deviation s in pixels of side p has the power s^2 p^2 per unit of frequency space.
    density = [one.pixel_size**2 * 10 ** (-one.snr_db / 10) for one in (full, small)]
    assert density[0] == pytest.approx(density[1])
    assert small.box in (48, 64)


def test_mismatched_views_reach_the_images_and_the_prior() -> None:
    assert len(MISMATCH) == 9
    for true, prior in MISMATCH:
        experiment = cryogan_pose_mismatch(SMALL, true, prior)
        assert (images(experiment).euler_variance, experiment.reconstruction.euler_variance) == (true, prior)
        assert experiment.published == MISMATCH[true, prior]


def test_what_the_paper_did_not_try_has_no_published_figure() -> None:
    assert cryogan_betagal_synthetic(SMALL, -10.0).published is None
    assert cryogan_betagal_synthetic(SMALL, -20.0, 20.0).published is not None
    assert images(cryogan_betagal_synthetic(SMALL, -20.0, 20.0)).allow_clipping


def test_real_particles_are_read_and_not_simulated() -> None:
    experiment = cryogan_betagal_real(FULL, Path("particles.star"))
    assert experiment.images is None
    assert experiment.reconstruction.particles == Path("particles.star")
    assert experiment.reconstruction.box == 192


@pytest.mark.parametrize(("variance", "expected"), [(None, UniformRotations()), (2.0, GaussianEulerRotations(2.0))])
def test_a_run_expects_the_views_it_is_told(data: Path, variance: float | None, expected: object) -> None:
    options = cryogan.CryoGANRun(data / "particles.star", Path("run"), contrast="light", euler_variance=variance)
    opened = open_run(options)
    half_sets = HalfSets(opened.particles, options.seed)
    halves = cryogan.conditions(half_sets, None, options, options.learning.up_to(16))
    assert [half.rotations for half in halves] == [expected, expected]
