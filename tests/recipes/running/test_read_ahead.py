"""Reading ahead changes when a batch is read, and nothing else."""

import threading

import pytest

from frazil.methods import StepContext
from frazil.recipes.running.read_ahead import ReadAhead
from tests.methods.steps import at


def test_batches_are_those_of_their_steps_in_whatever_order() -> None:
    ahead = ReadAhead(lambda context: 10 * context.step)
    assert [ahead(at(step)) for step in (0, 1, 2, 7, 3, 4)] == [0, 10, 20, 70, 30, 40]


def test_the_next_is_read_while_a_step_is_computed() -> None:
    begun = threading.Event()

    def draw(context: StepContext) -> int:
        if context.step == 1:
            begun.set()
        return context.step

    ReadAhead(draw)(at(0))
    assert begun.wait(10)


def test_an_error_is_raised_by_the_step_whose_batch_it_is() -> None:
    def draw(context: StepContext) -> int:
        if context.step == 1:
            raise ValueError("image 3 is constant")
        return context.step

    ahead = ReadAhead(draw)
    assert ahead(at(0)) == 0
    with pytest.raises(ValueError, match="image 3"):
        ahead(at(1))
