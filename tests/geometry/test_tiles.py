"""Parts make up the whole, and see what they depend on."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from frazil.geometry import tiles


def test_parts_see_all_that_a_place_depends_on() -> None:
    field, made = torch.randn(24, 36), torch.empty(24, 36)
    for tile in tiles(field.shape, side=10, reach=3, multiple=4):
        made[tile.core] = avg_pool2d(field[tile.seen][None], 7, 1, 3, count_include_pad=False)[0][tile.inner]
    torch.testing.assert_close(made, avg_pool2d(field[None], 7, 1, 3, count_include_pad=False)[0])


def test_sides_are_multiples() -> None:
    with pytest.raises(ValueError, match="sides must be multiples of 4, one has 30"):
        next(tiles((24, 30), 12, 2, 4))
