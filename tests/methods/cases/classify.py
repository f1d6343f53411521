"""The classifier, of a few small volumes."""

from collections.abc import Callable

import torch
from torch import Tensor

from frazil.methods.base import Method, StepContext
from frazil.methods.classify import ClassifyConfig, SubtomogramClassifier
from tests.methods.cases.case import Case

CONFIG = ClassifyConfig(steps=3, batch_size=4, width=8)


def batch(context: StepContext) -> tuple[Tensor, Tensor]:
    generator = context.generator("volumes", device="cpu")
    volumes, label = torch.randn(4, 16, 16, 16, generator=generator), torch.arange(4) % 2
    own = context.share(4)
    return volumes[own].to(context.device), label[own].to(context.device)


def learnt(method: Method) -> dict[str, Tensor]:
    """The network's parameters."""
    return {name: value.clone() for name, value in method.state_dict()["net"].items()}


CASES: dict[str, Callable[[], Case]] = {
    "classify": lambda: Case(lambda: SubtomogramClassifier(CONFIG, 2, seed=0), batch, 3, learnt)
}
