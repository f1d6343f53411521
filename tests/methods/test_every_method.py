"""What the training loop relies on in every method, from one registry."""

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from frazil.methods.base import Method
from tests.methods.cases.case import Case
from tests.methods.cases.registry import METHODS
from tests.methods.elsewhere import elsewhere
from tests.methods.ranks import Ranks
from tests.methods.states import assert_same, read, stored, strange_things
from tests.methods.steps import at


@pytest.fixture(params=METHODS)
def case(request: pytest.FixtureRequest) -> Case:
    return METHODS[request.param]()


def run(case: Case, method: Method, steps: Iterable[int]) -> list[dict[str, Tensor | float]]:
    """The scalars of some steps."""
    return [method.update(case.batch(at(step)), at(step)) for step in steps]


def test_an_update_moves_every_parameter(case: Case) -> None:
    method = case.make()
    run(case, method, [0])
    before = case.learnt(method)
    run(case, method, [1])
    after = case.learnt(method)
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    assert all(bool(torch.isfinite(value).all()) for value in after.values())


def test_an_update_gives_finite_scalars_without_a_graph(case: Case) -> None:
    for scalars in run(case, case.make(), range(case.steps)):
        assert scalars
        for value in map(torch.as_tensor, scalars.values()):
            assert value.shape == ()
            assert bool(torch.isfinite(value))
            assert not value.requires_grad


def test_a_resumed_run_equals_one_that_never_stopped(case: Case) -> None:
    calm, resumed = case.make(), case.make()
    scalars, again = run(case, calm, range(case.steps)), []
    for step in range(case.steps):
        torch.manual_seed(1000 + step)  # another process begins elsewhere
        state = read(stored(resumed))
        resumed = case.make()
        resumed.load_state_dict(state)
        again += run(case, resumed, [step])
    assert_same(again, scalars)
    assert_same(read(stored(resumed)), read(stored(calm)))


def test_the_same_seed_gives_the_same_result_whatever_was_drawn_before(case: Case) -> None:
    one, other = case.make(), None
    run(case, one, [0])
    torch.randn(17)
    other = case.make()
    run(case, other, [0])
    assert_same(read(stored(one)), read(stored(other)))


def test_another_seed_gives_another_result(case: Case) -> None:
    if not case.by_chance:
        pytest.skip("nothing is drawn")
    one, other = case.make(), case.make()
    for step in range(2):
        one.update(case.batch(at(step)), at(step))
        other.update(case.batch(at(step)), at(step, seed=6))
    pairs = zip(case.learnt(one).values(), case.learnt(other).values(), strict=True)
    assert not any(torch.equal(*pair) for pair in pairs)


def test_an_update_leaves_the_global_generator_alone(case: Case) -> None:
    method = case.make()
    before = torch.get_rng_state()
    run(case, method, range(case.steps))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_update_leaves_its_batch_alone(case: Case) -> None:
    method, batch = case.make(), case.batch(at(0))
    method.update(batch, at(0))
    assert_same(batch, case.batch(at(0)))


def test_figures_change_nothing_that_is_learnt_and_are_the_same_after_resuming(case: Case) -> None:
    asked, silent = case.make(), case.make()
    for method in (asked, silent):
        run(case, method, range(case.steps - 1))
    figures = asked.figures(at(case.steps - 2))
    assert all(isinstance(value, float) for value in figures.values())
    assert_same(case.learnt(asked), case.learnt(silent))
    resumed = case.make()
    resumed.load_state_dict(read(stored(asked)))
    for method in (asked, silent, resumed):
        run(case, method, [case.steps - 1])
    assert_same(case.learnt(asked), case.learnt(silent))
    assert asked.figures(at(case.steps - 1)) == resumed.figures(at(case.steps - 1))


def test_the_state_holds_plain_things_alone(case: Case) -> None:
    method = case.make()
    assert strange_things(method.state_dict()) == []
    for step in range(case.steps):
        run(case, method, [step])
        assert strange_things(method.state_dict()) == []
        assert_same(read(stored(method)), method.state_dict())
    method.figures(at(case.steps - 1))
    assert strange_things(method.state_dict()) == []


def test_every_step_has_a_short_stage(case: Case) -> None:
    method = case.make()
    assert all(len(method.stage(step)) <= 20 for step in range(case.steps + 1))


def test_moving_to_the_device_it_is_on_changes_nothing(case: Case) -> None:
    method, calm = case.make(), case.make()
    run(case, method, [0])
    run(case, calm, [0])
    method.to(torch.device("cpu"))
    run(case, method, range(1, case.steps))
    run(case, calm, range(1, case.steps))
    assert_same(read(stored(method)), read(stored(calm)))


@pytest.mark.slow
@pytest.mark.usefixtures("double_precision")
def test_two_ranks_give_the_parameters_of_one_with_the_joined_batch(case: Case) -> None:
    one = case.make()
    alone = run(case, one, range(case.steps))

    def work(rank: int, average_gradients: Callable) -> tuple[Method, list[dict[str, Tensor | float]]]:
        method = case.make()
        contexts = [
            at(step, rank=rank, world_size=2, average_gradients=average_gradients) for step in range(case.steps)
        ]
        return method, [method.update(case.batch(context), context) for context in contexts]

    ranks = Ranks(2).run(work)
    for method, _ in ranks:
        torch.testing.assert_close(case.learnt(method), case.learnt(one), rtol=1e-6, atol=case.rounding)
    assert_same(case.learnt(ranks[0][0]), case.learnt(ranks[1][0]))
    for step, scalars in enumerate(alone):
        for name, value in scalars.items():
            shares = [torch.as_tensor(scalars_of_rank[step][name]) for _, scalars_of_rank in ranks]
            # A distance is the difference of two scores, and may be smaller than what either is rounded by.
            torch.testing.assert_close(
                torch.stack(shares).mean(), torch.as_tensor(value), rtol=1e-6, atol=10 * case.rounding
            )


def test_a_batch_that_the_ranks_cannot_share_is_refused(case: Case) -> None:
    if not case.shared_evenly:
        pytest.skip("ranks may have more or fewer")
    with pytest.raises(ValueError, match=r"a batch of \d+ images cannot be shared evenly by 7 ranks"):
        case.make().update(case.batch(at(0)), at(0, world_size=7))


def goes_on(case: Case, device: torch.device) -> Method:
    """A method that was moved to a device after its first step, after its last."""
    method = case.make()
    run(case, method, [0])
    method.to(device)
    for step in range(1, case.steps):
        scalars = method.update(case.batch(at(step, device=device)), at(step, device=device))
        assert all(bool(torch.isfinite(torch.as_tensor(value))) for value in scalars.values())
    assert all(value.device.type == device.type for value in case.learnt(method).values())
    return method


@pytest.mark.slow
def test_a_method_moved_to_another_device_goes_on_there(case: Case) -> None:
    with elsewhere() as device:
        method = goes_on(case, device)
        again = case.make()
        again.to(device)
        again.load_state_dict(method.state_dict())
        last = at(case.steps - 1, device=device)
        again.update(case.batch(last), last)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_method_moved_to_a_gpu_goes_on_there(case: Case) -> None:
    again = case.make()
    again.load_state_dict(read(stored(goes_on(case, torch.device("cuda")))))
