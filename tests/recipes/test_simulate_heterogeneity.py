"""Simulated molecules that differ: each image shows the structure that its row names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from frazil.data import ctf_of_table
from frazil.data.heterogeneity import Heterogeneity
from frazil.io import ImageStack, read_map, read_particles
from frazil.physics import form_images, signal_to_noise_db
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles

FOUR = Heterogeneity("dihedral", 4, moving="2")


def options(out: Path) -> SimulateParticles:
    return SimulateParticles(
        "pseudo-protein", out, molecules=FOUR, box=32, pixel_size=6.0, count=10, snr_db=float("inf"), seed=3, workers=1
    )


def images(folder: Path) -> torch.Tensor:
    stack = ImageStack(folder / "particles.mrcs")
    return torch.from_numpy(stack.read(range(len(stack))))


def test_every_image_shows_the_structure_that_its_row_names(tmp_path: Path) -> None:
    simulate_particles(options(tmp_path / "run"))
    table = read_particles(tmp_path / "run" / "particles.star")
    number = table.numbers("rlnClassNumber").astype(int)
    assert number.tolist() == [1, 1, 2, 2, 2, 3, 3, 4, 4, 4]
    assert table.numbers("frazilTrueLatent").tolist() == [0, 0, 90, 90, 90, 180, 180, 270, 270, 270]
    pose, ctf, found = table.pose(), ctf_of_table(table), images(tmp_path / "run")
    assert pose is not None
    for state in range(1, 5):
        truth = read_map(tmp_path / "run" / "structures" / f"{state:03d}.mrc")
        rows = torch.from_numpy(np.flatnonzero(number == state))
        expected = form_images(truth.volume, pose[rows], ctf[rows], truth.pixel_size)
        assert (found[rows] - expected).norm() < 1e-4 * expected.norm()


def test_the_truth_is_the_mean_of_the_structures_as_the_images_have_them(tmp_path: Path) -> None:
    simulate_particles(options(tmp_path / "run"))
    volumes = [read_map(tmp_path / "run" / "structures" / f"{state:03d}.mrc").volume for state in range(1, 5)]
    expected = sum(volume * share for volume, share in zip(volumes, (0.2, 0.3, 0.2, 0.3), strict=True))
    assert torch.allclose(read_map(tmp_path / "run" / "truth.mrc").volume, expected, atol=1e-5)


def test_no_two_images_have_the_same_pose(tmp_path: Path) -> None:
    simulate_particles(options(tmp_path / "run"))
    pose = read_particles(tmp_path / "run" / "particles.star").pose()
    assert pose is not None
    assert len(pose.rotation.flatten(1).unique(dim=0)) == 10


def test_the_snr_is_that_of_all_structures_together(tmp_path: Path) -> None:
    many = replace(options(tmp_path / "clean"), count=400)
    simulate_particles(many)
    simulate_particles(replace(many, out=tmp_path / "noisy", snr_db=-3.0))
    clean, noisy = images(tmp_path / "clean"), images(tmp_path / "noisy")
    assert signal_to_noise_db(clean, noisy - clean) == pytest.approx(-3, abs=0.1)


def test_a_run_that_fails_leaves_no_structures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frazil.recipes.simulate_particles.noise_std_for_snr", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        simulate_particles(options(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "map.mrc"}, "--heterogeneity dihedral needs an atomic model or pseudo-protein, and no --symmetry"),
        ({"symmetry": "C2"}, "--heterogeneity dihedral needs an atomic model or pseudo-protein, and no --symmetry"),
        ({"count": 3}, "--count 3: fewer images than --states 4"),
        ({"box": 16}, "pseudo-protein reaches 55.9 angstrom"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_nothing(tmp_path: Path, changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        simulate_particles(replace(options(tmp_path / "run"), **changes))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("how", [{"states": 0}, {"travel": -1.0}])
def test_numbers_that_make_no_sense_are_refused(how: dict) -> None:
    with pytest.raises(ValueError, match="must be positive, it is"):
        Heterogeneity("motion", **how)
