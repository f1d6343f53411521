"""Steps that a GPU repeats as one."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from frazil.methods.cryogan import HalfReconstruction
from frazil.methods.rates import set_rate
from frazil.methods.step_graph import load_optimizer
from tests.methods.cryogan import tiny
from tests.methods.elsewhere import elsewhere, without_waiting
from tests.methods.states import read, stored
from tests.methods.steps import at


def test_an_optimizer_goes_on_from_the_state_of_another() -> None:
    one, other = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    first, second = (torch.optim.Adam([each]) for each in (one, other))
    one.grad = torch.ones(3)
    set_rate(first.param_groups[0], 0.1)
    first.step()
    load_optimizer(second, first.state_dict(), torch.device("cpu"))
    assert second.param_groups[0]["lr"] == 0.0
    other.data.copy_(one.data)
    other.grad = one.grad.clone()
    for optimizer in (first, second):
        set_rate(optimizer.param_groups[0], 0.2)
        optimizer.step()
    assert torch.equal(one, other)


@pytest.mark.parametrize("changes", [{}, {"symmetry": "D2", "conditions": "learnt"}])
def test_a_step_of_cryogan_never_waits_for_the_device(changes: dict[str, Any]) -> None:
    method = tiny.cryogan(replace(tiny.config(), **changes))
    with elsewhere() as device:
        method.to(device)
        for step in range(2):  # what is the same in all steps is found in the first
            context = at(step, device=device)
            batch, chance = tiny.images(method.config, context)[0], context.generator("cryogan", 0)
            if step == 0:
                method.update(tiny.images(method.config, context), context)
                continue
            with without_waiting():
                method.halves[0].update(batch, context, chance)


def test_what_waits_is_noticed() -> None:
    with elsewhere() as device:
        there = torch.ones(3, device=device)
        for waits in (
            there.sum().item,
            there.cpu,
            there.nonzero,
            lambda: there[there > 0],
            lambda: torch.ones(3).to(device),
        ):
            with without_waiting(), pytest.raises(RuntimeError, match="waits"):
                waits()
        with pytest.raises(RuntimeError, match="two devices"):
            there + torch.ones(3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("learnt", [False, True])
def test_a_recorded_step_is_the_step(learnt: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(tiny.config(), steps=(8, 8), conditions="learnt" if learnt else "given")
    device = torch.device("cuda")
    recorded, plain = tiny.cryogan(config), tiny.cryogan(config)
    for method, wanted in ((recorded, True), (plain, False)):
        method.to(device)
        with monkeypatch.context() as patch:
            if not wanted:
                patch.setattr(HalfReconstruction, "_same_each_step", lambda half, context: False)
            for step in range(16):
                context = at(step, device=device)
                method.update(tiny.images(config, context), context)
    for one, other in zip(recorded.halves, plain.halves, strict=True):
        torch.testing.assert_close(one.voxels, other.voxels, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(one.log_signal, other.log_signal, rtol=1e-3, atol=1e-3)
    again = tiny.cryogan(config)
    again.load_state_dict(read(stored(recorded)))
    again.update(tiny.images(config, at(15)), at(15))
