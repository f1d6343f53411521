"""Runs of cryoDRGN held against the structures that the images show."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from frazil.geometry import Pose, random_rotations
from frazil.io import read_particles, write_particles
from frazil.recipes.cryodrgn import load, run
from frazil.recipes.evaluate_heterogeneity import EvaluateHeterogeneity, evaluate_heterogeneity


def evaluated(run: Path, truth: Path) -> dict[str, float]:
    evaluate_heterogeneity(EvaluateHeterogeneity(run, truth))
    return json.loads((run / "evaluation.json").read_text())


def test_every_measure_is_written(cryodrgn_run: Path, two_structures: Path) -> None:
    found = evaluated(cryodrgn_run, two_structures)
    assert -1 < found["auc_per_image_worst"] <= found["auc_per_image"] < 1
    assert 0 <= found["neighbourhood_similarity"] <= 1
    assert 0 <= found["rank_correlation"] <= 1
    assert found["pose_median_deg"] < 0.01  # the true poses were given
    assert (cryodrgn_run / "evaluation.csv").read_text().count("\n") == 3
    assert "AUC-FSC" in (cryodrgn_run / "evaluation.html").read_text()


@pytest.mark.slow
def test_poses_in_another_frame_cost_little(two_structures: Path, small_cryodrgn, tmp_path: Path) -> None:
    """The molecule as found is turned, moved and of the other hand."""
    table = read_particles(two_structures / "particles.star")
    truth = table.pose()
    frame = random_rotations(1, torch.Generator().manual_seed(1))[0]
    half_turn = torch.tensor([-1.0, -1.0, 1.0])[:, None]
    offset = torch.tensor([3.0, -2.0, 1.0])
    found = Pose(half_turn * (truth.rotation @ frame), truth.shift + truth.rotation[:, :2] @ offset)
    write_particles(tmp_path / "found.star", table.with_pose(found))
    areas = []
    for name, particles in (("given", table.path), ("found", tmp_path / "found.star")):
        options = small_cryodrgn(tmp_path / name, particles=particles, decoder="linear", epochs=8, halves=False)
        assert run(options) == 0
        areas.append(evaluated(tmp_path / name, two_structures)["auc_per_conformation"])
    assert areas[1] == pytest.approx(areas[0], abs=0.05)
    assert areas[0] > 0.3


def test_a_model_is_taken_up_as_it_was_left(cryodrgn_run: Path) -> None:
    method, particles = load(cryodrgn_run)
    table = read_particles(cryodrgn_run / "particles.star")
    latent = method.latents(torch.arange(len(particles))).mean
    np.testing.assert_allclose(latent[:, 0], table.numbers("frazilLatent1"), atol=1e-5)


def test_what_is_no_run_or_no_truth_is_refused(cryodrgn_run: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no column rlnClassNumber; give a folder of frazil simulate"):
        evaluated(cryodrgn_run, data)
    with pytest.raises(ValueError, match="holds no run of this version's frazil cryodrgn"):
        load(data)
    shutil.copytree(cryodrgn_run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(ValueError, match="has learnt nothing yet"):
        load(tmp_path / "run")


def test_the_truth_of_other_images_is_refused(cryodrgn_run: Path, two_structures: Path, tmp_path: Path) -> None:
    truth = read_particles(two_structures / "particles.star")
    defocus = truth.numbers("rlnDefocusU").copy()
    defocus[2] += 500.0
    write_particles(tmp_path / "particles.star", truth.with_columns(rlnDefocusU=defocus))
    with pytest.raises(ValueError, match=r"row 3 has a rlnDefocusU of .*; give the folder that the run's images come"):
        evaluate_heterogeneity(EvaluateHeterogeneity(cryodrgn_run, tmp_path))
