"""The critic: one score an image, of images large enough for it, each judged by itself."""

import pytest
import torch

from frazil.nets import ConvCritic


@pytest.mark.parametrize(("box", "blocks"), [(32, 4), (33, 4), (16, 4), (47, 3), (2, 1), (12, 2)])
def test_each_image_gets_one_score(box: int, blocks: int) -> None:
    critic = ConvCritic(box, width=2, blocks=blocks)
    scores = critic(torch.randn(5, box, box))
    assert scores.shape == (5,)
    assert bool(torch.isfinite(scores).all())


@pytest.mark.parametrize(("box", "blocks"), [(15, 4), (7, 3), (1, 1)])
def test_a_box_too_small_for_its_blocks_is_refused(box: int, blocks: int) -> None:
    sentence = f"a critic of {blocks} blocks needs images of {2**blocks} px or more, these have {box}"
    with pytest.raises(ValueError, match=sentence):
        ConvCritic(box, width=2, blocks=blocks)


def test_an_image_is_judged_whatever_else_is_in_the_batch() -> None:
    critic, images = ConvCritic(16, width=4, blocks=3), torch.randn(6, 16, 16)
    alone = torch.cat([critic(images[place : place + 1]) for place in range(6)])
    torch.testing.assert_close(critic(images), alone)


def test_every_pixel_is_seen() -> None:
    images = torch.randn(8, 20, 20, requires_grad=True)
    ConvCritic(20, width=8, blocks=2)(images).sum().backward()
    assert images.grad is not None
    assert (images.grad.abs().amax(0) > 0).all()


def test_each_block_has_twice_the_channels_of_the_one_before() -> None:
    shapes = [
        tuple(value.shape) for value in ConvCritic(32, width=3, blocks=4).features.parameters() if value.dim() > 1
    ]
    assert [shape[:2] for shape in shapes] == [(3, 1), (6, 3), (12, 6), (24, 12)]


def test_features_do_not_depend_on_the_box() -> None:
    """So that a critic can keep them when the images become finer."""
    small, large = ConvCritic(16, width=2, blocks=3), ConvCritic(40, width=2, blocks=3)
    large.features.load_state_dict(small.features.state_dict())


@pytest.mark.parametrize(("box", "blocks"), [(32, 3), (33, 4), (30, 3), (5, 2), (2, 1)])
def test_its_own_gradient_is_autograds_and_so_is_what_a_penalty_makes_of_it(box: int, blocks: int) -> None:
    critic, images = ConvCritic(box, width=3, blocks=blocks).double(), torch.randn(4, box, box).double()
    images[:, : box // 3] = 0  # as beyond a circle: responses there are equal, and the first of them is the largest
    images.requires_grad_()
    (expected,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    gradient = critic.input_gradient(images.detach())
    torch.testing.assert_close(gradient, expected)
    weights = [value for value in critic.parameters() if value.dim() > 1]
    wanted, found = (torch.autograd.grad(each.square().sum(), weights) for each in (expected, gradient))
    torch.testing.assert_close(found, wanted)


def test_a_gradient_of_its_gradient_exists() -> None:
    critic, images = ConvCritic(16, width=2, blocks=2), torch.randn(2, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    gradient.square().sum().backward()
    weights = [value for value in critic.parameters() if value.dim() > 1]
    assert all(weight.grad is not None and bool((weight.grad != 0).any()) for weight in weights)
