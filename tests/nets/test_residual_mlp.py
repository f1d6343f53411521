"""The residual network is the published one."""

import torch
from torch.nn.functional import relu

from frazil.nets import residual_mlp


def test_a_layer_adds_to_what_it_was_given() -> None:
    network = residual_mlp(3, 5, 2, 4)
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    given = torch.randn(7, 3)
    hidden = relu(linear[0](given))
    for layer in linear[1:3]:
        own = layer.weight - torch.eye(5)  # as drawn, before the skip was put into it
        assert own.abs().max() <= 5**-0.5
        hidden = relu(hidden + hidden @ own.T + layer.bias)
    assert torch.allclose(network(given), linear[3](hidden), atol=1e-5)
    assert network(given).shape == (7, 4)
