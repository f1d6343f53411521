"""The loss of centres."""

import torch

from frazil.losses.centres import centre_loss


def test_it_is_the_equation_of_law_and_deng() -> None:
    logit = torch.tensor([[[2.0, -1.0, 0.5]]])
    truth = torch.tensor([[[1.0, 0.6, 0.0]]])
    p = logit.sigmoid()[0, 0]
    by_hand = (1 - p[0]) ** 2 * p[0].log()
    by_hand = by_hand + 0.4**4 * p[1] ** 2 * (1 - p[1]).log() + p[2] ** 2 * (1 - p[2]).log()
    assert torch.allclose(centre_loss(logit, truth, torch.tensor(1.0)), -by_hand)


def test_it_is_by_the_number_of_centres_and_finite_without_any() -> None:
    logit, truth = torch.randn(2, 5, 5), torch.zeros(2, 5, 5)
    assert torch.isfinite(centre_loss(logit, truth, torch.tensor(0.0)))
    truth[0, 2, 2] = 1
    one = torch.tensor(1.0)
    each = [centre_loss(logit[n : n + 1], truth[n : n + 1], one) for n in range(2)]
    assert torch.allclose(centre_loss(logit, truth, one), torch.stack(each).sum())
    assert torch.allclose(centre_loss(logit, truth, 2 * one), torch.stack(each).sum() / 2)
