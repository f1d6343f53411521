"""Contrastive losses of places: what was at a place in the input is there in the output."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

TEMPERATURE = 0.07  # of the paper


def place_contrast(
    query: Float[Tensor, "batch places features"],
    key: Float[Tensor, "batch places features"],
    against: Bool[Tensor, "batch places places"],
    temperature: float = TEMPERATURE,
) -> Float[Tensor, " batch"]:
    """How badly each query tells its own place's key from those that it is held `against` in the same image.

    The cross-entropy of cosine similarities over a temperature: PatchNCE (Park et al., ECCV 2020, equation 3). Keys
    are what queries are drawn to, and get no gradient.
    """
    query, key = normalize(query.float(), dim=-1), normalize(key.detach().float(), dim=-1)
    similarity = query @ key.mT / temperature
    own = torch.eye(query.shape[1], dtype=torch.bool, device=query.device)
    logit = similarity.masked_fill(~(against | own), -torch.inf)
    place = torch.arange(query.shape[1], device=query.device).expand(len(query), -1)
    return cross_entropy(logit.mT, place, reduction="none").mean(1)


def of_the_other_kind(particle: Bool[Tensor, "batch places"]) -> Bool[Tensor, "batch places places"]:
    """A particle's place against the background's, and the other way round (Zhang et al. 2024, section 3.2)."""
    return particle[:, :, None] != particle[:, None]


def all_others(particle: Bool[Tensor, "batch places"]) -> Bool[Tensor, "batch places places"]:
    """Every place against all others, whatever is there (Park et al. 2020)."""
    places = particle.shape[1]
    return ~torch.eye(places, dtype=torch.bool, device=particle.device).expand(len(particle), -1, -1)
