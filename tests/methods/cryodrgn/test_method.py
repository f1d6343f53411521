"""cryoDRGN with poses given: it tells structures apart, and says how far its volumes can be trusted."""

from contextlib import nullcontext

import pytest
import roma
import torch

from frazil.geometry import Pose, fourier_transform, shell_average
from frazil.methods.base import StepContext
from frazil.methods.cryodrgn import CryoDRGNConfig, Split
from frazil.metrics import pose_errors
from tests.methods.cryodrgn import tiny
from tests.methods.steps import at


def learnt(steps: int, **changes):
    method = tiny.cryodrgn(rate=3e-3, epochs=steps // 4 + 1, **changes)
    for step in range(steps):
        method.update(tiny.batch(at(step), method.config), at(step))
    return method


def test_what_is_learnt_explains_images_that_were_held_out() -> None:
    method = learnt(200, halves=False)
    figures = method.figures(StepContext(200, 5, torch.device("cpu")))
    assert figures["gain"] > 10
    assert figures["held_out_gain"] > 10
    assert "half_map_resolution" not in figures


def test_the_halves_volumes_have_a_resolution() -> None:
    method = learnt(200)
    found = method.figures(at(200))["half_map_resolution"]
    assert 2 * tiny.PIXEL_SIZE <= found + 1e-3 < 80


def test_the_noise_is_measured_by_shell() -> None:
    method = learnt(300, halves=False, encoder_width=64, decoder_width=64)
    noise = method.learners[0].noise
    assert ((noise[5:8] > 0.8) & (noise[5:8] < 1.5)).all()


@pytest.mark.slow
def test_it_is_learnt_how_unevenly_images_show_their_particle(monkeypatch: pytest.MonkeyPatch) -> None:
    alike = {"halves": False, "latent_dim": 0, "decoder_width": 64}
    even = learnt(300, **alike)
    own = tiny.particles(uneven=0.3)
    monkeypatch.setattr(tiny, "particles", lambda: own)
    uneven, told_even = learnt(300, **alike), learnt(300, **alike, scales=False)
    assert float(even.learners[0].spread.sqrt()) < 0.15
    assert float(uneven.learners[0].spread.sqrt()) == pytest.approx(0.3, abs=0.08)
    assert uneven.figures(at(300))["held_out_gain"] > told_even.figures(at(300))["held_out_gain"] + 3


def test_examples_have_noise_at_every_frequency() -> None:
    method = learnt(100, halves=False)
    images = fourier_transform(method.examples(8, seed=0)).abs().square().mean(0) / tiny.BOX**2
    assert (shell_average(images, tiny.BOX)[1:] > 0.3).all()


@pytest.mark.usefixtures("double_precision")
def test_latents_come_in_the_order_of_the_rows() -> None:
    method = learnt(3, halves=False)
    rows = torch.tensor([5, 30, 2])
    every = method.latents(torch.arange(tiny.COUNT))
    assert torch.allclose(method.latents(rows).mean, every.mean[rows], atol=1e-6)


def test_poses_are_found_anew_against_what_was_learnt() -> None:
    """Learnt by the true ones; before the search, halfway, all are put off by some eight degrees."""
    truth, steps = tiny.particles().pose, 160
    options = {"rate": 3e-3, "epochs": 2 * steps // 4, "searches": 1, "decoder": "linear", "halves": False}
    method = tiny.cryodrgn(**options)
    for step in range(steps):
        method.update(tiny.batch(at(step), method.config), at(step))
    off = put_off(truth, 0.1, 0.0)
    method.centring = method.centring.with_pose(off)
    method.update(tiny.batch(at(steps), method.config), at(steps))
    found = method.centring.pose
    before, after = (pose_errors(pose, truth) for pose in (off, found))
    assert float(after.angle_deg.median()) < 0.8 * float(before.angle_deg.median())
    other = tiny.cryodrgn(**options)
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.centring.pose.rotation, found.rotation)


def put_off(pose: Pose, turn: float, move: float) -> Pose:
    """Poses that are wrong, by some radians and angstrom about each axis."""
    generator = torch.Generator().manual_seed(2)
    rotvec, shift = (torch.randn(len(pose), size, generator=generator).to(pose.shift) for size in (3, 2))
    return Pose(pose.rotation @ roma.rotvec_to_rotmat(turn * rotvec), pose.shift + move * shift)


def test_poses_follow_their_gradient_but_for_those_of_images_held_out() -> None:
    """Learnt by the true ones; halfway all are put off by some five degrees and five angstrom."""
    truth, steps = tiny.particles().pose, 60
    options = {"rate": 3e-3, "epochs": 2 * steps // 4, "pose_step": 1.0, "decoder": "linear", "halves": False}
    method = tiny.cryodrgn(**options)
    off = put_off(truth, 0.06, 4.0)
    for step in range(steps + 100):
        if step == steps:
            assert torch.equal(method.centring.pose.rotation, truth.rotation)
            method.centring = method.centring.with_pose(off.map(torch.clone))
        method.update(tiny.batch(at(step), method.config), at(step))
    found, (learnt, held_out) = method.centring.pose, (method.split.learnt, method.split.held_out)
    before, after = (pose_errors(pose[learnt], truth[learnt]) for pose in (off, found))
    assert float(after.angle_deg.median()) < 0.8 * float(before.angle_deg.median())
    assert float(after.shift.median()) < 0.8 * float(before.shift.median())
    assert torch.equal(found.rotation[held_out], off.rotation[held_out])
    other = tiny.cryodrgn(**options)
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.centring.pose.shift, found.shift)


def test_volumes_that_know_nothing_yet_do_not_spoil_the_poses() -> None:
    method = tiny.cryodrgn(epochs=2, searches=1, halves=False)
    for step in range(5):
        method.update(tiny.batch(at(step), method.config), at(step))
    assert torch.equal(method.centring.pose.rotation, tiny.particles().pose.rotation)


def test_the_divergence_is_weighed_ever_more_while_it_warms_up_and_the_rate_falls() -> None:
    config = tiny.config(beta=0.5, beta_warmup=0.2, rate=1e-3)
    assert [config.pace(done).beta for done in (0.0, 0.1, 0.2, 1.0)] == [0.0, 0.25, 0.5, 0.5]
    assert [config.pace(done).rate for done in (0.0, 0.5, 1.0)] == pytest.approx([1e-3, 5e-4, 0.0])
    assert tiny.config(beta=0.5).pace(0.0).beta == 0.5


def test_poses_are_searched_where_no_image_is_held_out() -> None:
    method = tiny.cryodrgn(epochs=2, searches=1)
    some = method.split
    assert some.halves is not None
    method.split = Split(torch.cat([some.learnt, some.held_out]), some.held_out[:0], some.halves)
    method.search(at(4))
    assert torch.isfinite(method.centring.pose.rotation).all()


def test_searches_are_spread_over_the_run() -> None:
    config = tiny.config(epochs=6, searches=2)
    assert config.search_steps(32) == {8, 16}
    assert tiny.config(epochs=6).search_steps(32) == set()


def test_the_linear_decoder_needs_a_prior() -> None:
    with pytest.raises(ValueError, match="beta must be positive for the linear decoder"):
        CryoDRGNConfig(decoder="linear", beta=0.0)


def test_settled_latents_are_likelier_than_the_encoders() -> None:
    method = learnt(200, halves=False)
    learner, images = method.learners[0], method.read(torch.arange(tiny.COUNT))
    guess, settled = learner.encode(images).mean, learner.settle(images).mean
    before, after = (learner._steepness(latent, images, nullcontext).loss for latent in (guess, settled))
    assert (after <= before).all()
    assert (after < before).double().mean() > 0.9


def test_a_stage_is_the_pass_over_the_images() -> None:
    method = tiny.cryodrgn(epochs=3)
    assert method.config.steps_of_epoch(len(method.split.learnt)) == 4
    assert [method.stage(step) for step in (0, 3, 4, 11)] == ["epoch 1/3", "epoch 1/3", "epoch 2/3", "epoch 3/3"]
