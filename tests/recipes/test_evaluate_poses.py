"""`frazil evaluate poses`: errors of poses in one frame, of the same images wherever their tables lie."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from frazil.geometry import Pose, random_rotations, symmetry_rotations
from frazil.io import ParticleTable, read_particles, write_particles
from frazil.recipes.evaluate_poses import EvaluatePoses, evaluate_poses
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("posed") / "images"
    simulate_particles(SimulateParticles(model="pseudo-protein", out=out, box=32, pixel_size=6.0, count=60))
    return out / "particles.star"


def true_pose(table: ParticleTable) -> Pose:
    pose = table.pose()
    assert pose is not None
    return pose


def test_a_frame_a_symmetry_and_the_order_of_rows_are_no_error(truth: Path, tmp_path: Path) -> None:
    table, generator = read_particles(truth), torch.Generator().manual_seed(0)
    pose, frame = true_pose(table), random_rotations(1, generator)[0]
    group = symmetry_rotations("D2")
    alike = group[torch.randint(len(group), (len(table),), generator=generator)]
    found = table.with_pose(Pose(pose.rotation @ alike @ frame, pose.shift)).select(np.arange(40)[::-1])
    write_particles(tmp_path / "found.star", found)  # whose images are named from another folder
    evaluate_poses(EvaluatePoses(tmp_path / "found.star", truth, symmetry="D2", out=tmp_path / "page"))
    figures = json.loads((tmp_path / "page" / "figures.json").read_text())
    assert figures["median_deg"] == pytest.approx(0, abs=0.05)
    assert figures["shift_median_angstrom"] == pytest.approx(0, abs=1e-3)
    assert figures["within_5_deg"] == 1
    assert "of 40 particles" in (tmp_path / "page" / "report.html").read_text()


def test_poses_by_chance_are_far_off(truth: Path, tmp_path: Path) -> None:
    table = read_particles(truth)
    chance = random_rotations(len(table), torch.Generator().manual_seed(1))
    write_particles(tmp_path / "found.star", table.with_pose(Pose(chance, true_pose(table).shift)))
    evaluate_poses(EvaluatePoses(tmp_path / "found.star", truth, out=tmp_path))
    assert json.loads((tmp_path / "figures.json").read_text())["median_deg"] > 60


def test_what_cannot_be_compared_is_refused(truth: Path, tmp_path: Path) -> None:
    table = read_particles(truth)
    write_particles(tmp_path / "found.star", table)
    write_particles(tmp_path / "few.star", table.select(range(30)))
    bare = ParticleTable(truth, table.data.drop(columns=["rlnAngleRot"]), table.optics)
    write_particles(tmp_path / "bare.star", bare)
    write_particles(tmp_path / "twice.star", table.select([0, 1, 1]))
    for found, known, sentence in (
        (tmp_path / "found.star", tmp_path / "few.star", r"found.star, row 31: image 31@particles.mrcs is none of"),
        (tmp_path / "bare.star", truth, r"bare.star: holds no angles"),
        (truth, tmp_path / "twice.star", r"twice.star: holds an image twice"),
    ):
        with pytest.raises(ValueError, match=sentence):
            evaluate_poses(EvaluatePoses(found, known))
