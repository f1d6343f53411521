"""Two half sets: disjoint, complete, each drawn from its own images by the generator alone."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from frazil.data import HalfSets, Particles, open_particles

BOX, COUNT = 16, 23


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


def test_a_table_that_holds_one_half_set_alone_is_not_split_anew(particles: Callable[..., Particles]) -> None:
    with pytest.raises(ValueError, match=r"rlnRandomSubset holds 2, not 1 and 2; without that column half sets"):
        HalfSets(particles(rlnRandomSubset=np.full(COUNT, 2)), seed=1)


@pytest.mark.parametrize("box", [8, 11, BOX])
def test_a_halfs_images_are_those_of_its_own_particles(particles: Callable[..., Particles], box: int) -> None:
    sets, rows = HalfSets(particles(), seed=1), torch.tensor([3, 0, 3, 9])
    for half in (0, 1):
        assert torch.equal(sets.images(half, rows, box), sets.halves[half].images(rows, box))


@pytest.mark.parametrize("place", [0, 20])
def test_a_bad_image_is_found_when_the_first_images_are_read(
    particles: Callable[..., Particles], spoil: Callable[[int], None], place: int
) -> None:
    """Wherever it is among the images, not in the hour in which it happens to be drawn."""
    sets = HalfSets(particles(), seed=1)
    spoil(place)
    with pytest.raises(ValueError, match=rf"particles.star: image {place + 1}@stack.mrcs is constant"):
        sets.images(0, torch.tensor([0]), 8)


def test_values_of_both_halves_stand_in_the_tables_order(particles: Callable[..., Particles]) -> None:
    sets = HalfSets(particles(), seed=1)
    row = [torch.from_numpy(np.flatnonzero(sets.number == half)) for half in (1, 2)]
    values = sets.in_table_order([torch.stack([rows, -rows], dim=1).float() for rows in row])
    assert values[:, 0].tolist() == list(range(COUNT))
    assert values[:, 1].tolist() == [-number for number in range(COUNT)]


def test_an_image_is_the_same_however_it_is_named(particles: Callable[..., Particles]) -> None:
    table = particles(4).table.path
    stack = table.with_name("stack.mrcs")
    table.write_text(
        table.read_text().replace("2@stack.mrcs", "001@stack.mrcs").replace("4@stack", f"3@{stack.parent}/stack")
    )
    assert open_particles(table, contrast="light").image_numbers().tolist() == [0, 0, 1, 1]
