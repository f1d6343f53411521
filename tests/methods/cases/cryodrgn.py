"""cryoDRGN by either decoder, with halves and without, of many structures and of one."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from frazil.methods.base import Method
from tests.methods.cases.case import Case
from tests.methods.cryodrgn import tiny


def case(**changes: Any) -> Case:
    """The end of a pass and the start of the next among the steps; by chance are the latents drawn alone."""
    config = tiny.config(**changes)
    by_chance = config.latent_dim > 0
    return Case(lambda: tiny.cryodrgn(**changes), lambda context: tiny.batch(context, config), 6, learnt, by_chance)


def learnt(method: Method) -> dict[str, Tensor]:
    """Every parameter of every model, but a bias that Adam's first steps move by the rate, whatever the seed."""
    learners = enumerate(method.state_dict()["learners"])
    return {
        f"{number}.{name}": value.clone()
        for number, learner in learners
        for name, value in learner["model"].items()
        if not name.endswith(("directions", "sphere", "weights.4.bias"))
    }


CASES: dict[str, Callable[[], Case]] = {
    "cryodrgn": case,
    "cryodrgn, linear": lambda: case(decoder="linear", halves=False),
    "cryodrgn that finds poses": lambda: case(searches=1, epochs=2),
    "cryodrgn whose poses follow": lambda: case(pose_step=0.5, epochs=2),
    "cryodrgn of one structure": lambda: case(latent_dim=0, halves=False),
}
