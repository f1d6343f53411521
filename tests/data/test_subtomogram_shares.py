"""Labelled subtomograms are shared out so that every part has all classes, and no volume is in two."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from frazil.data.subtomogram_shares import as_many, thirds
from frazil.data.subtomograms import Subtomograms
from frazil.io.particle_table import refuse_twice


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def listed(classes: list[int], tomograms: list[int] | None = None) -> Subtomograms:
    """A table of volumes, none of which is read."""
    columns: dict[str, list] = {"rlnClassNumber": classes}
    if tomograms:
        columns["rlnTomoName"] = [f"tomogram {number}" for number in tomograms]
    paths = [Path(f"{number}.mrc") for number in range(len(classes))]
    return Subtomograms(Path("particles.star"), paths, 16, 10.0, pd.DataFrame(columns))


def counts(part: Subtomograms) -> list[int]:
    numbers = part.classes()
    assert numbers is not None
    return numbers.bincount()[1:].tolist()


def test_three_parts_share_no_tomogram_where_there_are_many() -> None:
    parts = thirds(listed([1, 2] * 48, [number // 8 for number in range(96)]), chance())
    assert [len(part) for part in parts] == [32, 32, 32]
    assert len({path for part in parts for path in part.paths}) == 96
    named = [set(part.table["rlnTomoName"]) for part in parts if part.table is not None]
    assert not named[0] & named[1] | named[0] & named[2] | named[1] & named[2]


def test_three_parts_have_their_share_of_every_class_where_tomograms_are_few_or_of_one_class(capsys: object) -> None:
    for classes, tomograms in (([1, 2] * 48, [number // 24 for number in range(96)]), ([1, 2] * 48, None)):
        assert [counts(part) for part in thirds(listed(classes, tomograms), chance())] == [[16, 16]] * 3
    own = [number // 10 for number in range(120)]  # of each class two tomograms
    parts = thirds(listed([1 + number // 2 for number in own], own), chance())
    assert all(min(counts(part)) >= 6 for part in parts)
    with pytest.raises(ValueError, match=r"particles.star: too few of class 2 to share them out over three parts"):
        thirds(listed([1] * 20 + [2] * 2), chance())


@pytest.mark.parametrize("most", [12, 33, 63])
def test_a_part_of_a_set_has_as_much_of_every_class(most: int) -> None:
    few = as_many(listed([number // 41 + 1 for number in range(410)]), most, chance())
    assert len(few) == most
    assert max(counts(few)) - min(counts(few)) <= 1
    assert as_many(listed([1, 2, 2]), 3, chance()).paths == listed([1, 2, 2]).paths


def test_a_volume_that_is_listed_twice_is_refused() -> None:
    whole = listed([1, 2, 2])
    refuse_twice(whole.paths, whole.source)
    with pytest.raises(ValueError, match=r"particles.star, row 4: 1.mrc stands in row 2 already"):
        refuse_twice(whole.select([0, 1, 2, 1]).paths, whole.source)
