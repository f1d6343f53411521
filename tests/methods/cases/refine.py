"""Refinement, which draws nothing by chance and brings its own images."""

from collections.abc import Callable

from torch import Tensor

from frazil.methods.base import Method
from tests.methods.cases.case import Case
from tests.methods.refine import tiny


def case() -> Case:
    """Two iterations: the first does not know the map's contrast.

    With exact slices: which sample of a table is nearest hangs on the last bit, which differs from rank to rank.
    """
    rounding = 1e-5  # an FSC is a curve in single precision
    return Case(lambda: tiny.refine(quick=False), lambda context: None, 2, learnt, False, False, rounding)


def annealing() -> Case:
    """All poses are weighed for all images, before the halves part."""
    rounding = 1e-4  # sums over thousands of poses
    return Case(lambda: tiny.refine(quick=False, anneal=2), lambda context: None, 2, shape, False, False, rounding)


def shape(method: Method) -> dict[str, Tensor]:
    """Map and noise alone: no pose is chosen."""
    return {name: value for name, value in learnt(method).items() if name.endswith(("volume", "noise"))}


def learnt(method: Method) -> dict[str, Tensor]:
    """Maps, noise, poses and what is known of them."""
    halves = enumerate(method.state_dict()["halves"])
    return {f"{number}.{name}": value.clone() for number, half in halves for name, value in half.items()}


CASES: dict[str, Callable[[], Case]] = {"refine": case, "refine, annealing": annealing}
