"""The latents as a whole: axes, clusters, and ways through them."""

import numpy as np
import pytest

from frazil.methods.cryodrgn.latent_space import among_structures, cluster, embed, principal_axes, way_through


def blobs(count: int = 60) -> np.ndarray:
    """Three groups in four dimensions, along one line."""
    generator = np.random.default_rng(0)
    middles = np.array([[0, 0, 0, 0], [3, 4, 0, 0], [6, 8, 0, 0]])
    return np.concatenate([middle + 0.1 * generator.normal(size=(count, 4)) for middle in middles])


def test_principal_axes_are_those_of_the_variance() -> None:
    found = principal_axes(blobs())
    assert np.abs(found.axes[0]) == pytest.approx([0.6, 0.8, 0, 0], abs=0.01)
    assert found.share[0] > 0.99
    assert found.share.sum() == pytest.approx(1)
    assert found.coordinates @ found.axes + found.mean == pytest.approx(blobs())


def test_a_way_along_an_axis_leads_from_end_to_end() -> None:
    found = principal_axes(blobs())
    way = found.along(0, 5)
    assert way.shape == (5, 4)
    assert np.linalg.norm(np.diff(way, axis=0), axis=1) == pytest.approx([2.5] * 4, abs=0.1)
    assert way.mean(0) == pytest.approx([3, 4, 0, 0], abs=0.2)


def test_an_axis_keeps_its_sign() -> None:
    latent = np.random.default_rng(0).exponential(size=(200, 3)) * [3, 1, 0.3]
    assert principal_axes(-latent).axes == pytest.approx(-principal_axes(latent).axes)


def test_clusters_come_in_the_order_of_the_first_axis_each_with_an_image_in_its_middle() -> None:
    found = cluster(blobs(), 3, seed=0)
    first = found.label[[0, 60, 120]].tolist()
    assert first in ([0, 1, 2], [2, 1, 0])
    assert [(found.label[part : part + 60] == found.label[part]).all() for part in (0, 60, 120)] == [True] * 3
    assert found.label[found.centre].tolist() == [0, 1, 2]


def test_images_lie_among_structures_as_their_volumes_do() -> None:
    along = np.random.default_rng(0).uniform(0, 1, 400)
    latent = np.column_stack([along**3, np.sin(9 * along)])  # crowded here, folded there
    rows = np.arange(40)
    volumes = np.outer(along[rows], np.linspace(-1, 1, 64)) + 0.5
    found = among_structures(latent, rows, volumes)
    assert found.coordinates.shape == (400, 40)
    assert found.share[0] > 0.999
    line = np.polynomial.Polynomial.fit(along, found.coordinates[:, 0], 1)
    off = np.abs(found.coordinates[:, 0] - line(along)) / abs(line(1) - line(0))
    assert np.median(off) < 0.03


def test_there_are_no_more_clusters_than_latents() -> None:
    assert len(cluster(np.array([[0.0], [0.0], [1.0]]), 5, seed=0).centre) == 2


def test_a_way_through_the_images_stays_where_they_are() -> None:
    angle = np.linspace(0, np.pi, 200)
    arc = np.stack([np.cos(angle), np.sin(angle)], 1)
    way = way_through(arc, [0, 100, 199])
    assert (way[0], way[-1]) == (0, 199)
    assert 100 in way
    assert np.linalg.norm(np.diff(arc[way], axis=0), axis=1).max() < 0.2
    assert way == sorted(way)


def test_islands_are_said_to_be_islands() -> None:
    with pytest.raises(ValueError, match="no way leads from image 1 to image 121: their latents lie in islands"):
        way_through(blobs(), [0, 120])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_is_alike_stays_together_when_laid_out_flat() -> None:
    flat = embed(blobs(), seed=0)
    assert flat.shape == (180, 2)
    middles = [flat[part : part + 60].mean(0) for part in (0, 60, 120)]
    spread = max(flat[part : part + 60].std() for part in (0, 60, 120))
    assert min(np.linalg.norm(middles[a] - middles[b]) for a, b in ((0, 1), (1, 2))) > spread
