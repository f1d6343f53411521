"""cryoDRGN from files to files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from frazil.data import open_particles
from frazil.geometry import Pose, random_rotations, symmetry_rotations
from frazil.io import read_map, read_particles, write_particles
from frazil.io.particle_table import ANGLES, ORIGINS
from frazil.methods.cryodrgn import CryoDRGNConfig
from frazil.metrics import pose_errors
from frazil.recipes.cryodrgn import CryoDRGNRun, from_all_sides, load, run, split_rows
from frazil.recipes.evaluate_heterogeneity import EvaluateHeterogeneity, evaluate_heterogeneity

Options = Callable[..., CryoDRGNRun]


@pytest.mark.filterwarnings("ignore")
def test_a_run_leaves_latents_volumes_and_a_report(two_structures: Path, cryodrgn_run: Path) -> None:
    before, after = (read_particles(folder / "particles.star") for folder in (two_structures, cryodrgn_run))
    assert (
        after.data["rlnImageName"].str.partition("@")[0].tolist()
        == before.data["rlnImageName"].str.partition("@")[0].tolist()
    )
    assert after.data[[*ANGLES, *ORIGINS]].equals(before.data[[*ANGLES, *ORIGINS]])
    assert sorted(after.data["rlnRandomSubset"].unique()) == [1, 2]
    assert {"frazilLatent1", "frazilLatent2", "frazilLatentSpread", "frazilCluster"} <= set(after.data)
    volume = read_map(cryodrgn_run / "volumes" / "cluster_01.mrc")
    assert volume.volume.shape == (24, 24, 24)
    assert volume.pixel_size == pytest.approx(8.0)
    assert (cryodrgn_run / "volumes" / "axis2_10.mrc").exists()
    page = (cryodrgn_run / "report.html").read_text()
    assert "Latent space" in page
    assert "8 Å per pixel · 64 images, 3 held out · particles 120 Å across, light · poses given" in page
    assert "Resolution of the volumes" in page
    rows = [json.loads(line) for line in (cryodrgn_run / "log.jsonl").read_text().splitlines()]
    assert {"gain", "held_out_gain", "half_map_resolution", "loss", "divergence"} <= set(rows[-1])


@pytest.mark.slow
def test_a_run_whose_time_is_up_leaves_a_quick_look_and_the_next_the_whole(
    small_cryodrgn: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(small_cryodrgn(tmp_path / "run", max_minutes=1e-9)) == 0
    assert "stopped as --max-minutes asks; the same command goes on" in capsys.readouterr().out
    assert "UMAP" not in (tmp_path / "run" / "report.html").read_text()
    assert run(small_cryodrgn(tmp_path / "run")) == 0
    said = capsys.readouterr().out
    assert "stopped" not in said
    assert "report: " in said


def test_particles_without_angles_are_refused_in_a_sentence(
    two_structures: Path, small_cryodrgn: Options, tmp_path: Path
) -> None:
    table = read_particles(two_structures / "particles.star")
    bare = replace(table, data=table.data.drop(columns=["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]))
    write_particles(tmp_path / "bare.star", bare)
    with pytest.raises(ValueError, match=r"bare.star: holds no angles \(rlnAngleRot.*--poses infer finds poses"):
        run(small_cryodrgn(tmp_path / "run", particles=tmp_path / "bare.star"))
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_a_pose_or_a_box_is_refused_in_a_sentence(
    two_structures: Path, small_cryodrgn: Options, tmp_path: Path
) -> None:
    table = read_particles(two_structures / "particles.star")
    shift = table.numbers("rlnOriginXAngst").copy()
    shift[4] = 5000.0
    write_particles(tmp_path / "far.star", table.with_columns(rlnOriginXAngst=shift))
    with pytest.raises(ValueError, match=r"far.star: row 5 is shifted by 5000 angstrom, out of its box of 192"):
        run(small_cryodrgn(tmp_path / "run", particles=tmp_path / "far.star"))
    near = {"particles": tmp_path / "near.star", "searches": 1, "shift_percent": 3.0}
    write_particles(tmp_path / "near.star", table.with_columns(rlnOriginXAngst=np.where(np.arange(64) == 4, 40.0, 0)))
    with pytest.raises(
        ValueError, match=r"row 5 is shifted by 40\.\d+ angstrom, but --searches looks no farther than 5\.76"
    ):
        run(small_cryodrgn(tmp_path / "run", **near))
    with pytest.raises(ValueError, match="--poses guess: is neither from-star, nor infer, nor a file"):
        run(small_cryodrgn(tmp_path / "run", poses="guess"))
    with pytest.raises(ValueError, match="--box must be 8 or more, not -32"):
        run(small_cryodrgn(tmp_path / "run", box=-32))
    assert not (tmp_path / "run").exists()


def test_particles_that_are_all_alike_have_one_volume(
    two_structures: Path, small_cryodrgn: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(small_cryodrgn(tmp_path / "run", latent_dim=0)) == 0
    assert {path.name for path in (tmp_path / "run" / "volumes").iterdir()} == {"map_01.mrc", "volumes.csv"}
    with pytest.raises(ValueError, match="takes all particles to be alike"):
        evaluate_heterogeneity(EvaluateHeterogeneity(tmp_path / "run", two_structures))
    assert "frazilCluster" not in read_particles(tmp_path / "run" / "particles.star").data
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Resolution of the volumes" in page
    assert "Latent space" not in page
    (tmp_path / "run" / "report.html").write_text("a later analysis")
    assert run(small_cryodrgn(tmp_path / "run", latent_dim=0)) == 0
    assert "learnt and analysed before; `frazil cryodrgn-analyze` looks" in capsys.readouterr().out
    assert (tmp_path / "run" / "report.html").read_text() == "a later analysis"


@pytest.mark.slow
def test_poses_are_inferred_from_a_map_where_the_table_has_none(
    two_structures: Path, small_cryodrgn: Options, tmp_path: Path
) -> None:
    table = read_particles(two_structures / "particles.star")
    bare = replace(table, data=table.data.drop(columns=[*ANGLES, *ORIGINS]))
    write_particles(tmp_path / "bare.star", bare)
    options = small_cryodrgn(
        tmp_path / "run", particles=tmp_path / "bare.star", poses="infer", init=two_structures / "truth.mrc"
    )
    assert run(options) == 0
    found = read_particles(tmp_path / "run" / "particles.star").pose()
    assert float(pose_errors(found, table.pose()).angle_deg.median()) < 10
    assert (tmp_path / "run" / "poses" / "half1.mrc").exists()
    method, _ = load(tmp_path / "run")
    torch.testing.assert_close(method.centring.pose.rotation, found.rotation, atol=1e-4, rtol=0)


def test_a_map_is_refused_where_poses_are_known(two_structures: Path, small_cryodrgn: Options, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"truth.mrc: a map is only asked for with --poses infer"):
        run(small_cryodrgn(tmp_path / "run", init=two_structures / "truth.mrc"))
    with pytest.raises(ValueError, match=r"--symmetry D2: is only asked for with --poses infer"):
        run(small_cryodrgn(tmp_path / "run", symmetry="D2"))
    assert not (tmp_path / "run").exists()


def test_held_out_images_are_in_no_half_and_the_halves_share_none(two_structures: Path) -> None:
    particles = open_particles(two_structures / "particles.star", "light", 60.0)
    split = split_rows(particles, CryoDRGNConfig(held_out=0.25), seed=1)
    assert split.halves is not None
    assert len(split.held_out) == 16
    every = torch.cat([split.held_out, *split.halves])
    assert sorted(every.tolist()) == list(range(64))
    assert split.learnt.tolist() == sorted(torch.cat(split.halves).tolist())
    half = particles.half_sets(1)
    assert np.all(half[split.halves[0].numpy()] == 1)


def test_poses_of_a_symmetric_refinement_are_spread_over_all_sides(
    two_structures: Path, small_cryodrgn: Options, tmp_path: Path
) -> None:
    group = symmetry_rotations("O").float()
    whole = Pose(random_rotations(4000, torch.Generator().manual_seed(1)), torch.zeros(4000, 2))
    # As a refinement finds them: the equivalent whose view is nearest to one axis.
    one_part = whole.rotation[:, None] @ group
    nearest = one_part[:, :, 2, 2].argmax(1)
    found = Pose(one_part[torch.arange(4000), nearest], whole.shift)
    spread = from_all_sides(found, small_cryodrgn(tmp_path / "run", symmetry="O"))
    assert float(found.rotation[:, 2].mean(0).norm()) > 0.7
    assert float(spread.rotation[:, 2].mean(0).norm()) < 0.06
    kept = found.rotation[:, None] @ group - spread.rotation[:, None]
    assert float(kept.abs().amax((2, 3)).amin(1).max()) < 1e-5


def test_half_sets_are_none_of_a_run_without_halves(two_structures: Path, tmp_path: Path) -> None:
    table = read_particles(two_structures / "particles.star").with_half_sets(np.ones(64))
    write_particles(tmp_path / "one.star", table)
    particles = open_particles(tmp_path / "one.star", "light", 60.0)
    assert split_rows(particles, CryoDRGNConfig(halves=False), seed=1).halves is None
    with pytest.raises(ValueError, match="rlnRandomSubset holds 1, not 1 and 2"):
        split_rows(particles, CryoDRGNConfig(), seed=1)


def test_ranks_that_cannot_share_a_batch_are_refused_before_anything_is_read(
    small_cryodrgn: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "3")
    with pytest.raises(ValueError, match="of which a half has half, cannot be shared evenly by 3 ranks"):
        run(small_cryodrgn(tmp_path / "run", particles=tmp_path / "nothing.star"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_run_on_a_gpu_is_analysed_there(
    two_structures: Path, small_cryodrgn: Options, cryodrgn_run: Path, tmp_path: Path
) -> None:
    assert run(small_cryodrgn(tmp_path / "run", device="cuda", searches=1, pose_step=0.5)) == 0
    evaluate_heterogeneity(EvaluateHeterogeneity(tmp_path / "run", two_structures, "cuda"))
    assert {path.name for path in (tmp_path / "run" / "volumes").iterdir()} == {
        path.name for path in (cryodrgn_run / "volumes").iterdir()
    }
