"""Adversarial losses against numbers worked out by hand."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from frazil.losses import (
    ADVERSARIES,
    cross_entropy_critic_loss,
    cross_entropy_generator_loss,
    gradient_penalty,
    gradient_penalty_per_pixel,
    interpolate,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
    zero_centred_penalty,
)

PENALTIES = [gradient_penalty, gradient_penalty_per_pixel, zero_centred_penalty]


def linear(slope: Tensor) -> Callable[[Tensor], Tensor]:
    """A critic whose gradient is `slope` everywhere."""
    return lambda images: (images * slope).sum((-1, -2)) + 7


def test_the_losses_of_three_scores() -> None:
    real, fake = torch.tensor([1.0, 2.0, 6.0]), torch.tensor([-1.0, 0.0, 4.0])
    assert float(wasserstein_critic_loss(real, fake)) == -2.0  # 1 - 3
    assert float(wasserstein_generator_loss(fake)) == -1.0


def test_the_critic_and_the_generator_want_the_opposite_of_simulated_scores() -> None:
    fake = torch.tensor([0.3, -0.2], requires_grad=True)
    real = torch.zeros(2)
    (critic,) = torch.autograd.grad(wasserstein_critic_loss(real, fake), fake)
    (generator,) = torch.autograd.grad(wasserstein_generator_loss(fake), fake)
    torch.testing.assert_close(critic, torch.full((2,), 0.5))
    torch.testing.assert_close(generator, -critic)


def test_a_shift_of_all_scores_changes_nothing_for_the_critic() -> None:
    real, fake = torch.randn(5), torch.randn(5)
    torch.testing.assert_close(wasserstein_critic_loss(real + 3, fake + 3), wasserstein_critic_loss(real, fake))


def test_the_first_gans_losses_are_torchs_binary_cross_entropy_against_ones_and_zeros() -> None:
    real, fake = torch.tensor([2.0, -1.0, 40.0]), torch.tensor([0.5, -60.0, 90.0])
    expected = cross_entropy(real, torch.ones(3)) + cross_entropy(fake, torch.zeros(3))
    torch.testing.assert_close(cross_entropy_critic_loss(real, fake), expected)
    torch.testing.assert_close(cross_entropy_generator_loss(fake), cross_entropy(fake, torch.ones(3)))


def test_interpolated_images_lie_on_the_lines_between() -> None:
    real, fake = torch.randn(3, 4, 4), torch.randn(3, 4, 4)
    between = interpolate(real, fake, torch.tensor([0.0, 0.25, 1.0]))
    assert torch.equal(between[0], fake[0])
    torch.testing.assert_close(between[1], 0.25 * real[1] + 0.75 * fake[1])
    assert torch.equal(between[2], real[2])


def test_the_penalties_of_a_linear_critic_in_closed_form() -> None:
    slope = torch.tensor([[3.0, 0.0], [-4.0, 0.5]])
    images = torch.randn(6, 2, 2)
    norm = math.sqrt(9 + 16 + 0.25)
    assert float(gradient_penalty(linear(slope), images)) == pytest.approx((norm - 1) ** 2)
    per_pixel = ((3 - 1) ** 2 + (0 - 1) ** 2 + (4 - 1) ** 2 + (0.5 - 1) ** 2) / 4
    assert float(gradient_penalty_per_pixel(linear(slope), images)) == pytest.approx(per_pixel)
    assert float(zero_centred_penalty(linear(slope), images)) == pytest.approx(norm**2 / 2)


def test_a_slope_of_norm_1_costs_nothing_in_the_vector_norm() -> None:
    slope = torch.randn(5, 5)
    assert float(gradient_penalty(linear(slope / slope.norm()), torch.randn(2, 5, 5))) == pytest.approx(0, abs=1e-10)


def test_a_slope_of_1_in_every_pixel_costs_nothing_per_pixel() -> None:
    signs = torch.randn(5, 5).sign()
    assert float(gradient_penalty_per_pixel(linear(signs), torch.randn(2, 5, 5))) == 0
    # ... and is sqrt(25) long, which the vector norm holds against it.
    assert float(gradient_penalty(linear(signs), torch.randn(2, 5, 5))) == pytest.approx((5 - 1) ** 2)


@pytest.mark.parametrize("box", [4, 9])
@pytest.mark.parametrize("length", [0.2, 1.0, 3.0])
def test_a_critic_divided_by_the_root_of_the_pixels_turns_one_penalty_into_the_other(box: int, length: float) -> None:
    """For slopes of one size in every pixel; the weights then differ by the number of pixels as the critics do."""
    slope = length * torch.randn(box, box).sign()
    images = torch.randn(3, box, box)
    per_pixel = gradient_penalty_per_pixel(linear(slope), images)
    torch.testing.assert_close(gradient_penalty(linear(slope / box), images), per_pixel)


def test_the_published_weight_of_1_is_27_millionths_in_the_vector_norm() -> None:
    """At 192 px. One per pixel is |g|^2 / pixels at leading order, the textbook's is |g|^2 (SYSTEMS: 2.7e-5)."""
    pixels, steep = 192**2, 1e6
    slope = steep * torch.randn(192, 192).sign()
    ratio = gradient_penalty_per_pixel(linear(slope), torch.zeros(1, 192, 192)) / gradient_penalty(
        linear(slope), torch.zeros(1, 192, 192)
    )
    assert float(ratio) == pytest.approx(1 / pixels, rel=1e-3)
    assert float(ratio) == pytest.approx(2.7e-5, rel=0.01)


@pytest.mark.parametrize("name", ADVERSARIES)
def test_a_critic_that_cannot_tell_holds_real_and_simulated_images_no_distance_apart(name: str) -> None:
    nothing = torch.zeros(5)
    assert float(ADVERSARIES[name].distance(nothing, nothing)) == pytest.approx(0, abs=1e-6)  # type: ignore[index]


def test_a_critic_that_tells_every_image_is_twice_log_two_from_one_that_tells_none() -> None:
    """Twice the Jensen-Shannon divergence of distributions that do not overlap (Goodfellow et al. 2014, 4.1)."""
    sure = torch.full((3,), 50.0)
    assert float(ADVERSARIES["cross-entropy"].distance(sure, -sure)) == pytest.approx(2 * math.log(2))


def test_an_adversarys_penalty_is_of_the_images_that_its_theory_names() -> None:
    def bowl(images: Tensor) -> Tensor:
        return images.square().sum((-1, -2)) / 2

    real, fake, weight = torch.randn(6, 3, 3), torch.randn(6, 3, 3), torch.rand(6)
    both = zero_centred_penalty(bowl, real) + zero_centred_penalty(bowl, fake)
    torch.testing.assert_close(ADVERSARIES["cross-entropy"].penalty(bowl, real, fake, weight), both)
    between = gradient_penalty(bowl, interpolate(real, fake, weight))
    torch.testing.assert_close(ADVERSARIES["wasserstein"].penalty(bowl, real, fake, weight), between)


def test_r1_and_r2_add_up_over_real_and_simulated_images() -> None:
    """D = |y|^2 / 2 has the gradient y: R1 + R2 is half the mean square norm of each kind."""

    def bowl(images: Tensor) -> Tensor:
        return images.square().sum((-1, -2)) / 2

    real, fake = torch.randn(7, 3, 3), torch.randn(7, 3, 3)
    total = zero_centred_penalty(bowl, real) + zero_centred_penalty(bowl, fake)
    expected = (real.square().sum((-1, -2)).mean() + fake.square().sum((-1, -2)).mean()) / 2
    torch.testing.assert_close(total, expected)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_penalty_is_of_each_image_and_not_of_the_batch(penalty: Callable) -> None:
    def bowl(images: Tensor) -> Tensor:
        return images.square().sum((-1, -2)) / 2

    images = torch.randn(4, 3, 3)
    single = [penalty(bowl, image[None]) for image in images]
    torch.testing.assert_close(penalty(bowl, images), torch.stack(single).mean())


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_penalty_moves_the_critic_and_leaves_the_images_alone(penalty: Callable) -> None:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
    images = torch.randn(4, 3, 3, requires_grad=True)
    before = images.detach().clone()
    penalty(critic, images).backward()
    assert images.grad is None
    assert torch.equal(images.detach(), before)
    for weight in (critic[1].weight, critic[3].weight):
        assert weight.grad is not None
        assert bool((weight.grad != 0).any())


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_gradient_of_a_penalty_is_the_slope_of_its_value(penalty: Callable) -> None:
    weight = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    images = torch.randn(2, 3, 3, dtype=torch.float64)

    def value(slope: Tensor) -> Tensor:
        return penalty(lambda seen: torch.tanh((seen * slope).sum((-1, -2))), images)

    assert torch.autograd.gradcheck(value, (weight,))


def test_a_critic_that_is_flat_costs_1_and_not_nan() -> None:
    """The norm has no slope at zero; a critic of zeros must still learn."""
    weight = torch.zeros(3, 3, requires_grad=True)
    penalty = gradient_penalty(lambda images: (images * weight).sum((-1, -2)), torch.randn(2, 3, 3))
    penalty.backward()
    assert float(penalty.detach()) == 1
    assert weight.grad is not None
    assert bool(torch.isfinite(weight.grad).all())
