"""cryoDRGN with poses given: it tells structures apart, and says how far its volumes can be trusted."""

import torch

from frazil.methods.base import StepContext
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


def test_latents_come_in_the_order_of_the_rows() -> None:
    method = learnt(3, halves=False)
    rows = torch.tensor([5, 30, 2])
    every = method.latents(torch.arange(tiny.COUNT))
    assert torch.allclose(method.latents(rows).mean, every.mean[rows], atol=1e-6)


def test_a_stage_is_the_pass_over_the_images() -> None:
    method = tiny.cryodrgn(epochs=3)
    assert method.config.steps_of_epoch(len(method.split.learnt)) == 4
    assert [method.stage(step) for step in (0, 3, 4, 11)] == ["epoch 1/3", "epoch 1/3", "epoch 2/3", "epoch 3/3"]
