"""Frequencies as waves."""

import math

import pytest
import torch

from frazil.nets import FrequencyEncoding


@pytest.mark.parametrize("kind", ["gaussian", "geometric"])
def test_a_frequency_is_the_sine_and_cosine_of_its_product_with_each_direction(kind: str) -> None:
    encoding = FrequencyEncoding(16, kind, 0.5)  # type: ignore[arg-type]
    points = torch.rand(2, 5, 3) - 0.5
    found = encoding(points)
    assert found.shape == (2, 5, encoding.width) == (2, 5, 48)
    phase = (points[..., None, :] * encoding.directions).sum(-1)
    assert torch.allclose(found, torch.cat([phase.sin(), phase.cos()], -1), atol=1e-6)


def test_geometric_waves_go_from_one_turn_across_the_box_to_one_every_other_frequency() -> None:
    encoding = FrequencyEncoding(16, "geometric", 0.5)
    lengths = encoding.directions.norm(dim=-1)[:8]
    assert lengths[0].item() == pytest.approx(16 * math.pi)
    assert lengths[-1].item() == pytest.approx(math.pi)
    assert torch.allclose(lengths[1:] / lengths[:-1], lengths[1] / lengths[0])


def test_waves_are_exact_where_networks_compute_in_half_precision() -> None:
    encoding, points = FrequencyEncoding(64, "gaussian", 0.5), torch.rand(9, 3) - 0.5
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(encoding(points), encoding(points.clone()))
        assert encoding(points).dtype == torch.float32
