"""What `frazil cryogan` makes of real images before a critic sees them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from frazil.data import HalfSets, background_ring
from frazil.io import read_map
from frazil.methods import StepContext
from frazil.methods.cryogan import CryoGANConfig
from frazil.methods.cryogan.config import View
from frazil.methods.cryogan.simulator import matching_scale
from frazil.physics import phase_flip, to_fourier_volume
from frazil.recipes import cryogan as recipe
from frazil.recipes.running.particle_run import open_run


@pytest.mark.parametrize("views", [(), ("phase-flip",)])
def test_the_critic_gets_each_real_image_flipped_by_its_own_lens(data: Path, views: tuple[View, ...]) -> None:
    options = recipe.CryoGANRun(data / "particles.star", out=data / "none", contrast="light", diameter=100.0)
    opened = open_run(options)
    half_sets = HalfSets(opened.particles, options.seed)
    config = CryoGANConfig(boxes=(16,), steps=(1,), batch_sizes=(4,), views=views)
    conditions = recipe.conditions(half_sets, None, options, config)
    method = recipe.CryoGAN(config, conditions, opened.support)
    batches = recipe.real_batches(half_sets, method)(StepContext(0, 0, torch.device("cpu")))
    for half, batch in zip(half_sets.halves, batches, strict=True):
        every = half.load(16)
        expected = phase_flip(every, half.ctf, half.pixel_size(16)) if views else every
        distance = (batch.flatten(0, 1)[:, None] - expected).abs().amax((-1, -2))
        assert (distance.amin(1) < 1e-4).all()
        assert float((expected - every).abs().max()) > 0.1 or not views


def test_the_particles_are_measured_as_strong_as_they_are(data: Path) -> None:
    """Their true map, in units of the noise, needs no scale."""
    options = recipe.CryoGANRun(data / "particles.star", out=data / "none", contrast="light", diameter=112.0)
    opened = open_run(options)
    half_sets = HalfSets(opened.particles, options.seed)
    truth = read_map(data / "truth.mrc")
    outside = background_ring(len(truth.volume), truth.pixel_size, 56.0)
    noise_std = torch.from_numpy(opened.particles.source.read(range(100)))[:, outside].std()
    config = CryoGANConfig(boxes=(len(truth.volume),), steps=(1,), batch_sizes=(4,))
    for conditions in recipe.conditions(half_sets, None, options, config):
        scale = matching_scale(to_fourier_volume(truth.volume / noise_std), conditions, ~outside)
        assert float(scale) == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_refine_may_be_asked_for_when_a_run_has_begun_and_its_steps_stay(data: Path, tmp_path: Path) -> None:
    """Asked for from the start, it would have halved them."""
    small = CryoGANConfig(critic_steps=1, batch_sizes=(8, 8, 8), critic_width=4)
    options = recipe.CryoGANRun(
        data / "particles.star", out=tmp_path / "run", contrast="light", max_minutes=1e-9, learning=small
    )
    fresh = replace(options, refine=True)
    particles = open_run(fresh).particles
    assert recipe._for_images(recipe._usual(fresh, particles, False), fresh, particles).steps == (1500,)
    for again in (options, fresh):
        assert recipe.run(again) == 0
        record = json.loads((options.out / "config.json").read_text())
        assert record["config"]["learning"]["steps"] == [1875]
