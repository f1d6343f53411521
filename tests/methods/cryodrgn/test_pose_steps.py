"""Steps of poses by Fisher's scoring."""

import torch

from frazil.methods.cryodrgn.pose_steps import PoseSteps
from tests.methods.steps import at


def test_a_step_is_newtons_where_images_say_much() -> None:
    """Gradients of a likelihood of known curvature, which is what their outer products come to."""
    generator = torch.Generator().manual_seed(0)
    mix = 100 * torch.randn(5, 5, generator=generator)
    curvature, steps = mix @ mix.T, PoseSteps(0.5, radius=1.0)
    for step in range(300):
        gradient = torch.randn(32, 5, generator=generator).to(mix) @ mix.T
        found = steps(gradient, at(step))
    wanted = -0.5 * torch.linalg.solve(curvature, gradient.T).T
    assert (found - wanted).norm() < 0.15 * wanted.norm()


def test_no_step_is_long_where_images_say_little() -> None:
    steps = PoseSteps(0.5, radius=10.0)
    assert (steps(torch.zeros(4, 5), at(0)) == 0).all()
    found = steps(1e-3 * torch.ones(4, 5), at(1))
    assert found.abs().max() < 1e-3
