"""A method that is one network and one optimizer: what it stores, and how its rate falls."""

from typing import Any

import torch
from torch import Tensor, nn

from frazil.methods.base import Method, StepContext
from frazil.methods.rates import half_cosine, set_rate


class OneNetwork(Method):
    """AdamW, whose rate falls to 0 as half a wave of a cosine."""

    def __init__(self, net: nn.Module, rate: float, steps: int) -> None:
        self.net, self._rate, self._steps = net, rate, steps
        self._optimizer = torch.optim.AdamW(net.parameters(), lr=rate)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.net.parameters()).device

    def _descend(self, loss: Tensor, context: StepContext) -> None:
        """One step down a loss."""
        for group in self._optimizer.param_groups:
            set_rate(group, self._rate * half_cosine(context.step / self._steps))
        context.descend(self._optimizer, loss)

    def stage(self, step: int) -> str:
        return ""

    def state_dict(self) -> dict[str, Any]:
        return {"net": self.net.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self._optimizer.load_state_dict(state["optimizer"])

    def to(self, device: torch.device) -> None:
        self.net.to(device)
        self._optimizer.load_state_dict(self._optimizer.state_dict())  # which follows the parameters
