"""cryoDRGN from files to files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from frazil.data import open_particles
from frazil.data.heterogeneity import Heterogeneity
from frazil.io import read_map, read_particles, write_particles
from frazil.methods.cryodrgn import CryoDRGNConfig
from frazil.recipes.cryodrgn import CryoDRGNRun, run, split_rows
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles

SMALL = CryoDRGNConfig(latent_dim=2, epochs=2, encoder_width=16, decoder_width=16, encoder_depth=1, decoder_depth=1)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty-four images of two structures."""
    out = tmp_path_factory.mktemp("images")
    how = Heterogeneity("discrete", 2, moving="2")
    simulate_particles(
        SimulateParticles("pseudo-protein", out, molecules=how, box=24, pixel_size=8.0, count=64, snr_db=0.0)
    )
    return out / "particles.star"


def options(images: Path, out: Path, **changes: Any) -> CryoDRGNRun:
    """A run of seconds."""
    base = CryoDRGNRun(images, out, contrast="light", diameter=120.0, learning=SMALL, log_every=4)
    return replace(base, **changes)


@pytest.mark.filterwarnings("ignore")
def test_a_run_leaves_latents_volumes_and_a_report(images: Path, tmp_path: Path) -> None:
    assert run(options(images, tmp_path / "run")) == 0
    before, after = read_particles(images), read_particles(tmp_path / "run" / "particles.star")
    assert (
        after.data["rlnImageName"].str.partition("@")[0].tolist()
        == before.data["rlnImageName"].str.partition("@")[0].tolist()
    )
    assert {"frazilLatent1", "frazilLatent2", "frazilLatentSpread", "frazilCluster"} <= set(after.data)
    volume = read_map(tmp_path / "run" / "volumes" / "cluster_01.mrc")
    assert volume.volume.shape == (24, 24, 24)
    assert volume.pixel_size == pytest.approx(8.0)
    assert (tmp_path / "run" / "volumes" / "axis2_10.mrc").exists()
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Latent space" in page
    assert "Resolution of the volumes" in page
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert {"gain", "held_out_gain", "half_map_resolution", "loss", "divergence"} <= set(rows[-1])


def test_particles_without_angles_are_refused_in_a_sentence(images: Path, tmp_path: Path) -> None:
    table = read_particles(images)
    bare = replace(table, data=table.data.drop(columns=["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]))
    write_particles(tmp_path / "bare.star", bare)
    with pytest.raises(ValueError, match=r"bare.star: holds no angles \(rlnAngleRot"):
        run(options(tmp_path / "bare.star", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_latent_of_no_numbers_is_refused_before_anything_is_learnt(images: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--latent-dim 0: particles that are all alike"):
        run(options(images, tmp_path / "run", learning=replace(SMALL, latent_dim=0)))
    assert not (tmp_path / "run").exists()


def test_held_out_images_are_in_no_half_and_the_halves_share_none(images: Path) -> None:
    particles = open_particles(images, "light", 60.0)
    split = split_rows(particles, replace(SMALL, held_out=0.25), seed=1)
    assert split.halves is not None
    assert len(split.held_out) == 16
    every = torch.cat([split.held_out, *split.halves])
    assert sorted(every.tolist()) == list(range(64))
    assert split.learnt.tolist() == sorted(torch.cat(split.halves).tolist())
    half = particles.half_sets(1)
    assert np.all(half[split.halves[0].numpy()] == 1)
