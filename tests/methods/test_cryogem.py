"""CryoGEM's translator on whole micrographs: tiles leave no seams."""

from dataclasses import replace

import pytest
import torch

from frazil.methods import cryogem
from frazil.methods.cryogem import CryoGEM
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
