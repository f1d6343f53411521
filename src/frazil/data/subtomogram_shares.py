"""Labelled subtomograms shared out: into three parts, and as many as another set has."""

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from frazil.data.subtomograms import Subtomograms
from frazil.io.particle_table import CLASS

_TOMOGRAM, _MANY = "rlnTomoName", 9  # tomograms, from which on parts share none


def class_numbers(found: Subtomograms) -> Int[Tensor, " count"]:
    """The class of each; ValueError where nothing says it."""
    classes = found.classes()
    if classes is None:
        raise ValueError(f"{found.source}: says no classes, it has no column {CLASS}")
    return classes


def thirds(real: Subtomograms, generator: torch.Generator) -> list[Subtomograms]:
    """Three parts that share no tomogram, where there are enough of them: those share lens, ice and noise.

    Else, or where a class would be in some parts alone, each has its part of every class. ValueError where there are
    too few of one for that.
    """
    number = class_numbers(real)
    if real.table is not None and _TOMOGRAM in real.table and real.table[_TOMOGRAM].nunique() >= _MANY:
        tomogram = torch.from_numpy(pd.factorize(real.table[_TOMOGRAM])[0].astype(np.int64))
        order = torch.randperm(int(tomogram.max()) + 1, generator=generator)
        parts = _parts([(tomogram == one).nonzero()[:, 0].tolist() for one in order.tolist()])
        if (lacking := _lacking(parts, number)) is None:
            return [real.select(part) for part in parts]
        print(f"{real.source}: class {lacking} is in few tomograms, so the three parts have tomograms in common")
    order = torch.randperm(len(real), generator=generator)
    parts = _parts([[row] for row in order[number[order].argsort(stable=True)].tolist()])
    if (lacking := _lacking(parts, number)) is not None:
        raise ValueError(f"{real.source}: too few of class {lacking} to share them out over three parts")
    return [real.select(part) for part in parts]


def _parts(groups: list[list[int]]) -> list[list[int]]:
    """Three parts of rows, groups kept together, about as many in each."""
    parts: list[list[int]] = [[], [], []]
    for group in groups:
        min(parts, key=len).extend(group)
    return [sorted(part) for part in parts]


def _lacking(parts: list[list[int]], number: Int[Tensor, " count"]) -> int | None:
    """A class that is not in all of the parts."""
    return min((one for part in parts for one in set(number.tolist()) - set(number[part].tolist())), default=None)


def as_many(found: Subtomograms, most: int, generator: torch.Generator) -> Subtomograms:
    """At most as many as wanted, by chance, of each class an equal part of its own."""
    if len(found) <= most:
        return found
    number, order = class_numbers(found), torch.randperm(len(found), generator=generator)
    # How much of its class lies before each, in a random order: the lowest have equal parts of all.
    before = torch.empty(len(found), dtype=torch.float64)
    for one in number.unique():
        rows = order[number[order] == one]
        before[rows] = (torch.arange(len(rows), dtype=torch.float64) + 0.5) / len(rows)
    return found.select(before.argsort(stable=True)[:most].sort().values.tolist())
