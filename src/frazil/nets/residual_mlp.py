"""Fully connected layers, each of which adds to what it was given."""

import torch
from torch import nn


def residual_mlp(inputs: int, width: int, depth: int, outputs: int) -> nn.Sequential:
    """cryoDRGN's network: `depth` residual layers of `width` units with ReLU behind each (Zhong et al. 2021, methods).

    A layer's skip passes no unit, so x + W x is one product, by W + 1: it is stored as that, and learns the same.
    """
    layers: list[nn.Module] = [nn.Linear(inputs, width), nn.ReLU()]
    for _ in range(depth):
        layer = nn.Linear(width, width)
        with torch.no_grad():
            layer.weight += torch.eye(width)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))
