"""Two half sets: disjoint, complete, the same from memory and from disk, drawn by the generator alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from frazil.data import HalfSets, Particles, half_sets, open_particles
from frazil.io import StackWriter

BOX, COUNT = 16, 23


@pytest.fixture
def particles(tmp_path: Path) -> Callable[..., Particles]:
    """Particles whose table has the given columns; image n is noise around n."""

    def make(count: int = COUNT, **columns: Any) -> Particles:
        images = np.random.default_rng(0).normal(size=(count, BOX, BOX)).astype(np.float32)
        with StackWriter(tmp_path / "stack.mrcs", count, BOX, 4.0) as stack:
            stack.write(images)
        names = [f"{place + 1}@stack.mrcs" for place in range(count)]
        table = pd.DataFrame({"rlnImageName": names, "rlnImagePixelSize": 4.0, **columns})
        header = "".join(f"_{name}\n" for name in table)
        rows = "".join(" ".join(map(str, row)) + "\n" for row in table.itertuples(index=False))
        (tmp_path / "particles.star").write_text(f"data_\n\nloop_\n{header}{rows}")
        return open_particles(tmp_path / "particles.star", contrast="light")

    return make


def names(part: Particles) -> list[str]:
    return part.table.data["rlnImageName"].tolist()


@pytest.mark.parametrize("count", [23, 24])
def test_halves_are_disjoint_complete_and_even(particles: Callable[..., Particles], count: int) -> None:
    whole = particles(count)
    sets = HalfSets(whole, seed=1)
    first, second = (set(names(half)) for half in sets.halves)
    assert not first & second
    assert first | second == set(names(whole))
    assert abs(len(first) - len(second)) <= 1


def test_the_number_says_for_each_particle_which_half_it_is_in(particles: Callable[..., Particles]) -> None:
    whole = particles()
    sets = HalfSets(whole, seed=1)
    for number, half in enumerate(sets.halves, 1):
        assert names(half) == [name for name, own in zip(names(whole), sets.number, strict=True) if own == number]


def test_the_seed_alone_decides_the_halves(particles: Callable[..., Particles]) -> None:
    whole = particles()
    one, same, other = (HalfSets(whole, seed) for seed in (1, 1, 2))
    assert (one.number == same.number).all()
    assert (one.number != other.number).any()


def test_the_tables_own_half_sets_are_kept(particles: Callable[..., Particles]) -> None:
    own = np.where(np.arange(COUNT) < 4, 2, 1)
    sets = HalfSets(particles(rlnRandomSubset=own), seed=1)
    assert (sets.number == own).all()
    assert [len(half) for half in sets.halves] == [COUNT - 4, 4]


def test_half_sets_other_than_1_and_2_are_refused(particles: Callable[..., Particles]) -> None:
    with pytest.raises(ValueError, match=r"rlnRandomSubset holds .*3.*, not 1 and 2"):
        HalfSets(particles(rlnRandomSubset=np.arange(COUNT) % 3 + 1), seed=1)


@pytest.mark.parametrize("box", [8, 11, BOX])
def test_images_from_memory_are_those_from_disk(
    particles: Callable[..., Particles], box: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = particles()
    memory, disk = HalfSets(whole, seed=1), HalfSets(whole, seed=1)
    rows = torch.tensor([3, 0, 3, 9])
    kept = [memory.images(half, rows, box) for half in (0, 1)]
    monkeypatch.setattr(half_sets, "_MEMORY", 0)
    read = [disk.images(half, rows, box) for half in (0, 1)]
    for half, one, other in zip(memory.halves, kept, read, strict=True):
        assert one.shape == (4, box, box)
        assert torch.equal(one, other)
        assert torch.equal(one, half.images(rows, box))


def test_images_that_fit_are_read_once_and_others_each_time(
    particles: Callable[..., Particles], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    original = Particles.images

    def counted(self: Particles, rows: Any, box: int | None = None) -> Tensor:
        reads.append(len(rows))
        return original(self, rows, box)

    monkeypatch.setattr(Particles, "images", counted)
    sets = HalfSets(particles(), seed=1)
    for _ in range(3):
        sets.images(0, torch.arange(2), 8)
    assert sum(reads) == COUNT
    sets.images(1, torch.arange(2), 11)
    assert sum(reads) == 2 * COUNT
    monkeypatch.setattr(half_sets, "_MEMORY", 4 * COUNT * 12**2 - 1)
    sets.images(0, torch.arange(2), 12)
    sets.images(0, torch.arange(2), 12)
    assert sum(reads) == 2 * COUNT + 4


def test_what_a_caller_does_to_a_batch_does_not_reach_the_images_kept(particles: Callable[..., Particles]) -> None:
    sets, rows = HalfSets(particles(), seed=1), torch.arange(3)
    sets.images(0, rows, 8).zero_()
    assert (sets.images(0, rows, 8) != 0).any()


def drawn(sets: HalfSets, half: int, share: slice, seed: int = 3) -> Tensor:
    return sets.draw(half, 8, 8, torch.Generator().manual_seed(seed), share)


def test_the_shares_of_the_ranks_are_rows_of_one_joined_batch(particles: Callable[..., Particles]) -> None:
    sets = HalfSets(particles(), seed=1)
    whole = drawn(sets, 0, slice(0, 8))
    assert torch.equal(torch.cat([drawn(sets, 0, slice(0, 4)), drawn(sets, 0, slice(4, 8))]), whole)
    assert torch.equal(drawn(sets, 0, slice(0, 8)), whole)
    assert not torch.equal(drawn(sets, 0, slice(0, 8), seed=4), whole)


def test_a_batch_is_of_its_own_half_and_in_time_of_all_of_it(particles: Callable[..., Particles]) -> None:
    sets = HalfSets(particles(), seed=1)
    for half in (0, 1):
        own = sets.halves[half].load(8)
        batch = sets.draw(half, 400, 8, torch.Generator().manual_seed(0), slice(0, 400))
        place = (batch[:, None] == own).all(-1).all(-1)
        assert place.any(dim=1).all()
        assert place.any(dim=0).all()


def spoil(folder: Path, place: int) -> None:
    """Make one image of the stack constant."""
    with (folder / "stack.mrcs").open("r+b") as file:
        file.seek(1024 + 4 * BOX**2 * place)
        file.write(np.zeros((BOX, BOX), np.float32).tobytes())


def test_a_bad_image_is_found_when_the_first_batch_is_drawn(
    particles: Callable[..., Particles], tmp_path: Path
) -> None:
    """Wherever it is among the images, not in the hour in which it happens to be drawn."""
    sets = HalfSets(particles(), seed=1)
    spoil(tmp_path, 20)
    with pytest.raises(ValueError, match=r"particles.star: image 21@stack.mrcs is constant"):
        drawn(sets, 0, slice(0, 1))


@pytest.mark.parametrize("place", [0, 9, COUNT - 1])
@pytest.mark.parametrize("memory", [2**30, 0])
def test_checking_finds_a_bad_image_wherever_images_are_kept(
    particles: Callable[..., Particles], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, place: int
) -> None:
    monkeypatch.setattr(half_sets, "_MEMORY", memory)
    monkeypatch.setattr(half_sets, "_AT_ONCE", 4)
    whole = particles()
    HalfSets(whole, seed=1).check(8)
    spoil(tmp_path, place)
    with pytest.raises(ValueError, match=f"image {place + 1}@stack.mrcs is constant"):
        HalfSets(whole, seed=1).check(8)
