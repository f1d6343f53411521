"""Images are the same from memory and from disk, read once where they fit, and drawn by the generator alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from frazil.data import KeptImages, Particles, draw_rows, kept_images

BOX, COUNT = 16, 23


@pytest.mark.parametrize("box", [8, 11, BOX])
def test_images_from_memory_are_those_from_disk(
    particles: Callable[..., Particles], box: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, rows = particles(), torch.tensor([3, 0, 3, 9])
    kept = KeptImages(whole).images(rows, box)
    monkeypatch.setattr(kept_images, "room_for_images", lambda: 0)
    read = KeptImages(whole).images(rows, box)
    assert kept.shape == (4, box, box)
    assert torch.equal(kept, read)
    assert torch.equal(kept, whole.images(rows, box))


def test_images_that_fit_are_read_once_for_each_box_and_others_each_time(
    particles: Callable[..., Particles], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    original = Particles.images

    def counted(self: Particles, rows: Any, box: int | None = None) -> Tensor:
        reads.append(len(rows))
        return original(self, rows, box)

    monkeypatch.setattr(Particles, "images", counted)
    served = KeptImages(particles())
    for _ in range(3):
        served.images(torch.arange(2), 8)
    assert sum(reads) == COUNT
    served.images(torch.arange(2), 11)
    assert sum(reads) == 2 * COUNT
    monkeypatch.setattr(kept_images, "room_for_images", lambda: 4 * COUNT * 12**2 - 1)
    served = KeptImages(particles())
    served.images(torch.arange(2), 12)
    served.images(torch.arange(2), 12)
    assert sum(reads) == 2 * COUNT + 4


def test_what_a_caller_does_to_a_batch_does_not_reach_the_images_kept(particles: Callable[..., Particles]) -> None:
    served, rows = KeptImages(particles()), torch.arange(3)
    served.images(rows, 8).zero_()
    assert (served.images(rows, 8) != 0).any()


@pytest.mark.parametrize("place", [0, 9, COUNT - 1])
@pytest.mark.parametrize("memory", [2**30, 0])
def test_checking_finds_a_bad_image_wherever_images_are_kept(
    particles: Callable[..., Particles],
    spoil: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    memory: int,
    place: int,
) -> None:
    monkeypatch.setattr(kept_images, "room_for_images", lambda: memory)
    monkeypatch.setattr(kept_images, "_AT_ONCE", 4)
    whole = particles()
    KeptImages(whole).check(8)
    spoil(place)
    with pytest.raises(ValueError, match=f"image {place + 1}@stack.mrcs is constant"):
        KeptImages(whole).check(8)


def drawn(share: slice, seed: int = 3) -> Tensor:
    return draw_rows(COUNT, 8, torch.Generator().manual_seed(seed), share)


def test_the_shares_of_the_ranks_are_rows_of_one_joined_batch() -> None:
    whole = drawn(slice(0, 8))
    assert torch.equal(torch.cat([drawn(slice(0, 4)), drawn(slice(4, 8))]), whole)
    assert not torch.equal(drawn(slice(0, 8), seed=4), whole)


def test_every_row_is_drawn_in_time() -> None:
    rows = draw_rows(COUNT, 400, torch.Generator().manual_seed(0), slice(0, 400))
    assert set(rows.tolist()) == set(range(COUNT))
