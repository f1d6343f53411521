"""The loop keeps its promises: resuming, stopping, refusing what is not finite."""

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from frazil.training import FitSettings, Interrupted

AT_ONCE = 1e-9
"""A limit in minutes that is over after one step."""


def assert_same(one: Any, other: Any) -> None:
    """Two states are equal to the bit."""
    torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.fixture(autouse=True)
def python_hears_ctrl_c() -> Iterator[None]:
    """Also where the tests run in the background of a shell, which lets its jobs ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def kill_at(trainer: Any, step: int, *signals: int) -> Any:
    """Batches during one of which this process is sent signals."""
    original = trainer.fit.__defaults__[1]

    def batches(context: Any) -> torch.Tensor:
        if context.step == step:
            for number in signals:
                handler = signal.getsignal(number)
                signal.raise_signal(number)
                # Until it is received, lest a second one fold into it: the first changes the handler, that one raises.
                deadline = time.monotonic() + 10
                while signal.getsignal(number) is handler and time.monotonic() < deadline:
                    time.sleep(1e-3)
        return original(context)

    return batches


def test_a_run_that_was_stopped_and_resumed_equals_one_that_never_stopped(trainer, other_trainer):
    assert trainer.fit()
    stops = 0
    while not other_trainer.fit(max_minutes=AT_ONCE if stops < 7 else None):
        other_trainer, stops = other_trainer.again(), stops + 1
    assert stops == 7
    assert_same(other_trainer.toy.state_dict(), trainer.toy.state_dict())
    assert other_trainer.log() == trainer.log()


def test_another_seed_gives_another_result(trainer, other_trainer):
    trainer.fit(steps=3)
    other_trainer.fit(steps=3, seed=1)
    assert not torch.equal(trainer.toy.average, other_trainer.toy.average)


def test_a_finished_run_is_loaded_and_not_trained_again(trainer):
    trainer.fit(steps=5)
    again = trainer.again()
    assert again.fit(steps=5, batches=lambda _: pytest.fail("trained again"))
    assert_same(again.toy.state_dict(), trainer.toy.state_dict())


def test_a_run_ends_when_its_method_has_converged_and_is_not_trained_again(trainer):
    def converge(toy: Any) -> None:
        toy.converged = lambda: any(state["step"] >= 7 for state in toy.optimizer.state.values())

    converge(trainer.toy)
    assert trainer.fit(steps=30)
    assert [line["step"] for line in trainer.log()] == [4, 7]
    assert trainer.checkpoints() == ["step_00000007.pt"]
    again = trainer.again()
    converge(again.toy)
    assert again.fit(steps=30, batches=lambda _: pytest.fail("trained again"))


def test_max_minutes_ends_a_run_with_a_checkpoint_and_says_so(trainer):
    assert trainer.fit(max_minutes=AT_ONCE) is False
    assert trainer.checkpoints() == ["step_00000001.pt"]


def test_the_log_has_a_line_per_interval_with_means_over_it(trainer):
    seen = []
    original = trainer.toy.update

    def update(batch, context):
        scalars = original(batch, context)
        seen.append(scalars["loss"].item())
        return scalars

    trainer.toy.update = update
    trainer.fit(steps=10)
    lines = trainer.log()
    assert [line["step"] for line in lines] == [4, 8, 10]
    assert [list(line) for line in lines] == [["step", "resolution", "loss", "rate"]] * 3
    assert [line["loss"] for line in lines] == pytest.approx(
        [sum(seen[:4]) / 4, sum(seen[4:8]) / 4, sum(seen[8:]) / 2], rel=1e-6
    )


def test_a_figure_that_is_not_finite_is_null_in_the_log(trainer):
    trainer.fit(steps=16)
    assert [line["resolution"] for line in trainer.log()] == [None, None, 25.0, 25.0]


def test_a_scalar_that_is_not_finite_stops_the_run_with_step_and_name(trainer):
    trainer.fit(max_minutes=AT_ONCE)
    again = trainer.again()
    again.toy.spoil[5] = "scalar"
    with pytest.raises(FloatingPointError, match=r"step 6: loss is inf; .* last good checkpoint is .*step_00000001.pt"):
        again.fit()
    assert again.checkpoints() == ["step_00000001.pt"]


@pytest.mark.slow
def test_a_parameter_that_is_not_finite_is_not_stored(trainer):
    trainer.fit(max_minutes=AT_ONCE)
    again = trainer.again()
    again.toy.spoil[5] = "parameter"
    with pytest.raises(FloatingPointError, match="step 6: average holds values that are not finite"):
        again.fit(batches=kill_at(again, 5, signal.SIGTERM))
    assert again.checkpoints() == ["step_00000001.pt"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_the_step_stores_it_and_gives_the_exit_code(trainer, other_trainer, number):
    with pytest.raises(Interrupted) as stop:
        trainer.fit(batches=kill_at(trainer, 5, number))
    assert stop.value.args == ("stopped after step 6 of 30; run it again to go on", 128 + number)
    assert trainer.checkpoints() == ["step_00000006.pt"]
    again = trainer.again()
    assert again.fit()
    other_trainer.fit()
    assert_same(again.toy.state_dict(), other_trainer.toy.state_dict())


def test_a_second_ctrl_c_is_obeyed_at_once(trainer):
    with pytest.raises(KeyboardInterrupt) as stop:
        trainer.fit(batches=kill_at(trainer, 5, signal.SIGINT, signal.SIGINT))
    assert not isinstance(stop.value, Interrupted)


@pytest.mark.slow
def test_a_second_sigterm_which_slurm_sends_at_once_is_no_kill(trainer):
    with pytest.raises(Interrupted):
        trainer.fit(batches=kill_at(trainer, 5, signal.SIGTERM, signal.SIGTERM))
    assert trainer.checkpoints() == ["step_00000006.pt"]


def test_the_handlers_of_signals_are_given_back(trainer):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    trainer.fit(steps=1)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize(("precision", "reduced"), [("32-true", False), ("bf16-mixed", True)])
def test_the_precision_reaches_the_networks(trainer, precision, reduced):
    trainer.fit(steps=2, precision=precision)
    assert trainer.toy.autocast_seen == {reduced}


@pytest.mark.parametrize("field", ["steps", "log_every", "max_minutes"])
def test_a_setting_that_must_be_positive_is_named(field):
    with pytest.raises(ValueError, match=f"--{field.replace('_', '-')} must be positive, it is 0"):
        FitSettings(**{"steps": 1, field: 0.0 if field == "max_minutes" else 0})


@pytest.mark.parametrize("name", ["tpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_before_a_folder_can_be_made(trainer, name):
    with pytest.raises(ValueError, match=f"device '{name}'"):
        trainer.fit(device=name)
    assert not trainer.out.exists()


def test_progress_is_a_plain_line_where_there_is_no_terminal(trainer, capsys):
    trainer.fit(steps=12)
    assert capsys.readouterr().err.startswith("48 px  step 12/12  ETA 0:00:00  resolution 25  loss ")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_resumed_run_on_a_gpu_equals_one_that_never_stopped(trainer, other_trainer):
    trainer.fit(device="cuda")
    other_trainer.fit(device="cuda", max_minutes=AT_ONCE)
    again = other_trainer.again()
    again.fit(device="cuda")
    assert_same(again.toy.state_dict(), trainer.toy.state_dict())
