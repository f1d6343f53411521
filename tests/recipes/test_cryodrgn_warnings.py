"""Each warning of a cryoDRGN run on a case made for it, and none on a good one."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from frazil.data.heterogeneity import Heterogeneity
from frazil.io import read_particles, write_particles
from frazil.methods.cryodrgn import CryoDRGNConfig
from frazil.recipes import cryodrgn
from frazil.recipes.results.cryodrgn_results import Analysis
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles

pytestmark = pytest.mark.slow

NETWORK = {"encoder_width": 64, "decoder_width": 64, "latent_dim": 2, "halves": False, "held_out": 0.2}


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of a domain that moves."""
    return images(tmp_path_factory.mktemp("moving"), count=1000, snr_db=0.0)


def images(out: Path, count: int, snr_db: float) -> Path:
    motion = Heterogeneity("motion", states=10)
    size = {"box": 24, "pixel_size": 8.0, "shift_percent": 0.0}
    simulate_particles(SimulateParticles("pseudo-protein", out, molecules=motion, count=count, snr_db=snr_db, **size))
    return out / "particles.star"


def warnings(
    star: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **learning: Any
) -> list[str]:
    """What a run warns of."""
    monkeypatch.setattr(cryodrgn, "Analysis", partial(Analysis, umap=False))
    options = cryodrgn.CryoDRGNRun(
        particles=star,
        out=out,
        contrast="light",
        diameter=140.0,
        shift_percent=0.0,
        box=24,
        device="cpu",
        log_every=25,
        learning=CryoDRGNConfig(**{**NETWORK, **learning}),
    )
    assert cryodrgn.run(options) == 0
    said = capsys.readouterr()
    return [line for line in (said.out + said.err).splitlines() if line.startswith("warning: ")]


def test_a_good_run_is_silent(moving: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    assert warnings(moving, tmp_path, capsys, monkeypatch, epochs=8) == []


def test_a_divergence_that_costs_too_much(moving: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    (sentence,) = warnings(moving, tmp_path, capsys, monkeypatch, epochs=4, beta=300.0)
    assert "The latents say nothing" in sentence


def test_poses_that_are_wrong_from_view_to_view(moving: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    table = read_particles(moving)
    write_particles(moving.parent / "wrong.star", table.with_columns(rlnAngleTilt=table.numbers("rlnAngleTilt") / 2))
    (sentence,) = warnings(moving.parent / "wrong.star", tmp_path, capsys, monkeypatch, epochs=8)
    assert "The latents follow the direction of view" in sentence


def test_few_and_noisy_images_that_are_seen_too_often(tmp_path: Path, capsys, monkeypatch) -> None:
    few = images(tmp_path / "few", count=200, snr_db=-12.0)
    (sentence,) = warnings(few, tmp_path / "run", capsys, monkeypatch, epochs=40, encoder_width=256)
    assert "The network learns noise" in sentence
