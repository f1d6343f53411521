"""The figure of poses: uniform views are grey all over, one view is a single bright patch."""

import base64
import io
import json
import re

import numpy as np
import torch
from PIL import Image

from frazil.geometry import random_rotations, symmetry_rotations
from frazil.report import poses_figure


def views(markup: str) -> np.ndarray:
    found = re.search(r"base64,([^\"]+)", markup)
    assert found
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))


def test_uniform_views_are_equally_grey_at_the_poles_and_at_the_equator() -> None:
    rotation = random_rotations(40_000, torch.Generator().manual_seed(0))
    grey = views(poses_figure(rotation, torch.rand(40_000)).body)
    assert grey.shape == (144, 288)
    assert abs(float(grey.mean()) - 85) < 3
    assert abs(float(grey[:8].mean()) - float(grey[68:76].mean())) < 10


def test_a_single_view_is_one_patch_with_the_north_pole_at_the_top() -> None:
    grey = views(poses_figure(torch.eye(3).repeat(50, 1, 1), torch.ones(50)).body)
    assert (grey > 0).sum() == 64
    assert (grey[:8] > 0).any()


def test_a_symmetric_particle_is_seen_from_all_equivalent_directions() -> None:
    figure = poses_figure(random_rotations(1, torch.Generator().manual_seed(3)), torch.ones(1), symmetry_rotations("O"))
    assert (views(figure.body) > 0).sum() == 24 * 64
    assert "each from 24 equivalent directions" in figure.body


def test_certainties_are_counted_as_shares() -> None:
    body = poses_figure(torch.eye(3).repeat(4, 1, 1), torch.tensor([0.01, 0.99, 0.98, 1.0])).body
    data = re.search(r'<script type="application/json">(.*?)</script>', body)
    assert data
    curve = json.loads(data[1])["curves"][0][0]
    assert curve["y"][0] == 0.25
    assert curve["y"][-1] == 0.75
