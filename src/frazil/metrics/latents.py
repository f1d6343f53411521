"""Whether a latent space keeps what is alike together: latents held against what really tells particles apart."""

import torch
from jaxtyping import Float
from torch import Tensor


def neighbourhood_similarity(
    latent: Float[Tensor, "particles dim"], truth: Float[Tensor, "particles other"], neighbours: int
) -> float:
    """Share of each particle's nearest neighbours that are among its nearest in truth too, 0 to 1 (CryoBench).

    Who is as near in truth as the last of those neighbours counts as one: in a data set of a few structures there are
    many.
    """
    if not 0 < neighbours < len(latent):
        raise ValueError(f"{neighbours} neighbours of {len(latent)} particles")
    distance, true_distance = _distances(latent), _distances(truth)
    nearest = distance.topk(neighbours, largest=False).indices
    reach = true_distance.topk(neighbours, largest=False).values[:, -1:]
    return float((true_distance.gather(1, nearest) <= reach * (1 + 1e-6)).double().mean())


def information_imbalance(first: Float[Tensor, "particles dim"], second: Float[Tensor, "particles other"]) -> float:
    """How little nearness in one space says of nearness in another: 0 all, 1 nothing.

    2/N times the mean rank, by the second, of each particle's nearest neighbour by the first (Glielmo et al., PNAS
    Nexus 1:pgac039, 2022, equation 4); particles that are equally near share their mean rank.
    """
    count = len(first)
    nearest = _distances(first).argmin(1, keepdim=True)
    distance = _distances(second)
    at = distance.gather(1, nearest)
    nearer, equal = (distance < at).sum(1), (distance == at).sum(1)
    rank = nearer + (equal + 1) / 2
    return float(2 / count * rank.double().mean())


def view_dependence(
    latent: Float[Tensor, "particles dim"], rotation: Float[Tensor, "particles 3 3"], neighbours: int = 20
) -> float:
    """How much of the direction of view the latent tells: 0 nothing, 1 all of it.

    The mean direction of each particle's nearest neighbours by the latent has length 1 if the latent is the view, and
    otherwise that of the mean of as many particles drawn by chance. The same of the views' axes, which a latent that
    confuses front and back tells.
    """
    from sklearn.neighbors import NearestNeighbors

    points = latent.double().cpu().numpy()
    found = NearestNeighbors(n_neighbors=min(neighbours, len(points) - 1)).fit(points).kneighbors(return_distance=False)
    nearest = torch.from_numpy(found)
    by_chance = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[nearest]
    view = rotation[:, 2].double().cpu()
    axis = (view[:, :, None] * view[:, None, :] - torch.eye(3, dtype=torch.float64) / 3).flatten(1) * 1.5**0.5
    scores = []
    for feature in (view, axis):
        own, chance = (feature[rows].mean(1).square().sum(-1).mean() for rows in (nearest, by_chance))
        scores.append(float((own - chance) / (1 - chance)))
    return max(0.0, *scores)


def _distances(points: Float[Tensor, "particles dim"]) -> Float[Tensor, "particles particles"]:
    """Of each particle to each other; none is its own neighbour."""
    return torch.cdist(points.double(), points.double()).fill_diagonal_(torch.inf)
