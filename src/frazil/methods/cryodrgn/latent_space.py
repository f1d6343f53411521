"""The latents of a data set as a whole: their principal axes, their clusters, and ways through them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

_ENDS = 5, 95  # percentiles of the images between which a way along a principal axis goes
_NEIGHBOURS = 15  # of the graph whose ways stay where images are
_AMONG = 5  # structures, the nearest ones, among which an image is put


@dataclass(frozen=True)
class PrincipalAxes:
    """Principal components of latents."""

    coordinates: np.ndarray
    """(images, axes): each latent along each axis, the axis of the largest variance first."""
    axes: np.ndarray
    """(axes, latent): directions of length 1."""
    mean: np.ndarray
    share: np.ndarray
    """Of the variance that lies along each axis."""

    def along(self, axis: int, count: int) -> np.ndarray:
        """(count, latent): evenly spaced from one end of the images to the other, the other axes at their mean."""
        low, high = np.percentile(self.coordinates[:, axis], _ENDS)
        return self.mean + np.linspace(low, high, count)[:, None] * self.axes[axis]


def principal_axes(latent: np.ndarray) -> PrincipalAxes:
    """Of latents (images, latent). Each axis points to where its coordinates are skewed, so that it has one sign."""
    from scipy.stats import skew
    from sklearn.decomposition import PCA

    found = PCA().fit(latent)
    coordinates = found.transform(latent)
    sign = np.where(skew(coordinates, axis=0) < 0, -1.0, 1.0)
    axes, share = found.components_ * sign[:, None], found.explained_variance_ratio_
    return PrincipalAxes(coordinates * sign, axes, found.mean_, share)


@dataclass(frozen=True)
class Clusters:
    """Parts of the latent space, each with the image nearest to its middle."""

    label: np.ndarray
    """Cluster of each image, from 0."""
    centre: np.ndarray
    """Row of the image that stands for each cluster: a latent that some particle has."""


def cluster(latent: np.ndarray, count: int, seed: int) -> Clusters:
    """`count` clusters by k-means, in the order of their middles along the first principal axis."""
    from sklearn.cluster import KMeans
    from sklearn.neighbors import NearestNeighbors

    count = min(count, len(np.unique(latent, axis=0)))
    found = KMeans(count, n_init=3, random_state=seed).fit(latent)
    along = principal_axes(latent).axes[0] @ found.cluster_centers_.T
    order = np.argsort(along)
    nearest = NearestNeighbors(n_neighbors=1).fit(latent)
    centre = nearest.kneighbors(found.cluster_centers_[order], return_distance=False)[:, 0]
    return Clusters(np.argsort(order)[found.labels_], centre)


def embed(latent: np.ndarray, seed: int) -> np.ndarray:
    """(images, 2): the latents laid out flat by UMAP (McInnes et al. 2018), near those that are alike."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # it misses Tensorflow, for what is not used here
        from umap import UMAP

    return UMAP(random_state=seed, n_jobs=1).fit_transform(latent)


def among_structures(latent: np.ndarray, rows: np.ndarray, volumes: np.ndarray) -> PrincipalAxes:
    """Where each image's structure lies by the volumes (structures, voxels) at the latents of some rows.

    Distances between latents are the network's choice; those between volumes are density. The axes are the volumes'
    principal components (Zhong et al., Nat. Methods 18:176, 2021); an image lies among the nearest structures, the
    nearer ones weighing more.
    """
    from sklearn.neighbors import KNeighborsRegressor

    found = principal_axes(volumes)
    nearest = KNeighborsRegressor(min(_AMONG, len(rows)), weights="distance").fit(latent[rows], found.coordinates)
    return replace(found, coordinates=nearest.predict(latent))


def way_through(latent: np.ndarray, stops: Sequence[int]) -> list[int]:
    """Rows of images from stop to stop, each step to a near neighbour: a way that stays where images are.

    The shortest in the graph of nearest neighbours, steps counting by their squared lengths.
    """
    from scipy.sparse.csgraph import dijkstra
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(latent, min(_NEIGHBOURS, len(latent) - 1), mode="distance")
    graph.data **= 2
    way = [stops[0]]
    for start, end in pairwise(stops):
        _, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
        if before[end] < 0:
            raise ValueError(f"no way leads from image {start + 1} to image {end + 1}: their latents lie in islands")
        part = [end]
        while part[-1] != start:
            part.append(int(before[part[-1]]))
        way += part[-2::-1]
    return way
