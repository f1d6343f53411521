"""CryoGAN by its default recipe, as published, and where its options take other paths."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from frazil.methods.base import Method
from frazil.methods.cryogan import published_recipe
from tests.methods.cases.case import Case
from tests.methods.cryogan import tiny


def case(**changes: Any) -> Case:
    """Two stages, both halves."""
    config = tiny.config(**changes)
    return Case(lambda: tiny.cryogan(config), lambda context: tiny.images(config, context), sum(config.steps), learnt)


def learnt(method: Method) -> dict[str, Tensor]:
    """Every parameter of volume, scales and critic; but shifts may be at a bound."""
    still = {"average", "log_shift"}
    named = {}
    for number, half in enumerate(method.state_dict()["halves"]):
        # The last bias adds the same to the scores of real and simulated images, so no loss sees it.
        *critic, _ = half["critics"][-1]["critic"].items()
        own = {name: value for name, value in half.items() if isinstance(value, Tensor) and name not in still}
        named |= {f"{number}.{name}": value.clone() for name, value in [*own.items(), *critic]}
    return named


def as_published() -> dict[str, Any]:
    """What the published recipe sets, beside the sizes."""
    sizes = {"boxes", "steps", "batch_sizes", "critic_steps", "critic_width"}
    return {name: value for name, value in vars(published_recipe(32, 100)).items() if name not in sizes}


CASES: dict[str, Callable[[], Case]] = {
    "cryogan": case,
    "cryogan as published": lambda: case(**as_published()),
    "cryogan, noise and shifts learnt": lambda: case(conditions="learnt"),
    "cryogan, symmetric, Wasserstein's distance": lambda: case(symmetry="D2", adversary="wasserstein"),
}
