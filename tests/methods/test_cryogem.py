"""CryoGEM's translator on whole micrographs: tiles leave no seams."""

from dataclasses import replace

import pytest
import torch

from frazil.methods import StepContext, cryogem
from frazil.methods.cryogem import PUBLISHED, CryoGEM
from tests.methods.cases.cryogem import CONFIG


@pytest.mark.parametrize("size", [(200, 170), (96, 131)])
def test_tiles_give_what_the_whole_would(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    method = CryoGEM(replace(CONFIG, width=8, depth=2), seed=0)
    field = torch.randn(size, generator=torch.Generator().manual_seed(1))
    whole = method.translate_field(field, torch.Generator().manual_seed(2))
    monkeypatch.setattr(cryogem, "_TILE", 40)
    tiled = method.translate_field(field, torch.Generator().manual_seed(2))
    assert whole.shape == size
    assert (whole - field).abs().mean() > 0.01  # it does something
    assert torch.allclose(tiled, whole, atol=1e-5)


def test_places_are_of_both_kinds_alike_or_anywhere() -> None:
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[:, :8, :8] = True  # one place in 64
    context = StepContext(0, 0, torch.device("cpu"))
    share = {}
    for negatives in ("mask", "all"):
        method = CryoGEM(replace(CONFIG, negatives=negatives, batch_size=1, places=32), seed=0)
        x, y = method._places(mask, context)[0].long().T
        share[negatives] = float(mask[0, y, x].float().mean())
        assert len(set(zip(x.tolist(), y.tolist(), strict=True))) == 64
    assert share["mask"] == 0.5
    assert share["all"] < 0.1


def test_the_published_networks_have_as_many_weights_as_the_paper_s() -> None:
    method = CryoGEM(PUBLISHED, seed=0)
    count = {name: sum(p.numel() for p in getattr(method, name).parameters()) for name in ("translator", "critic")}
    assert count["translator"] == pytest.approx(79.6e6, rel=2e-3)
    assert count["critic"] == pytest.approx(11.0e6, rel=5e-3)


def test_the_published_networks_see_fields_of_any_size_whole() -> None:
    method = CryoGEM(replace(CONFIG, networks="published", depth=5, critic_width=4), seed=0)
    field = torch.randn(70, 90, generator=torch.Generator().manual_seed(1))
    assert method.translate_field(field, torch.Generator()).shape == (70, 90)
    with pytest.raises(ValueError, match="a field of 90 x 15 px is too small for 5 halvings"):
        method.translate_field(field[:15], torch.Generator())
