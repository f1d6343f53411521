"""The loss of maps that say where centres are."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

_HARD, _NEAR = 2, 4  # the exponents alpha and beta of Law & Deng


def centre_loss(
    logit: Float[Tensor, "batch y x"], truth: Float[Tensor, "batch y x"], count: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """Focal loss of centres, by the `count` of them: hard pixels count more, those close to a centre less.

    `truth` is 1 at centres and falls to 0 around them. Law & Deng (ECCV 2018), equation 1; the count is the batch's, as
    in CenterNet (Zhou et al. 2019), so that an image without centres weighs as much as another.
    """
    centre = truth == 1
    there, absent = logsigmoid(logit), logsigmoid(-logit)
    hit = absent.exp() ** _HARD * there
    false = (1 - truth) ** _NEAR * there.exp() ** _HARD * absent
    return -torch.where(centre, hit, false).sum() / count.clamp(min=1)
