"""Whether subtomograms show what their labels say: the density of their class, of all others, in their pose."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import fourier_transform, hermitian_weight, shell_average, shell_index
from frazil.physics.subtomograms import Molecules, turned_densities

_UNSEEN = 1e-2  # of its shell's mean power, below which a frequency lies in the missing wedge
_FLOOR = 1e-2  # of the strongest shell's power, which all are taken to have: without noise, fine detail is rounding
_AT_ONCE = 64  # volumes


def class_correlations(
    volumes: Float[Tensor, "count box box box"],
    densities: Sequence[Float[Tensor, "box box box"]],
    molecules: Molecules,
    pixel_size: float,
) -> Float[Tensor, "count classes"]:
    """Correlation of each volume with each of the densities as its label says that it lies, of pixels in angstrom.

    Over the frequencies that the volumes have, those of the missing wedge left out, each shell by one over its power in
    all of them, which noise makes as a rule.
    """
    weight = _weight(volumes)
    found = []
    for start in range(0, len(volumes), _AT_ONCE):
        seen = _whitened(volumes[start : start + _AT_ONCE], weight)
        own = molecules[start : start + _AT_ONCE]
        columns = []
        for number in range(len(densities)):
            alike = replace(own, structure=torch.full_like(own.structure, number))
            expected = _whitened(turned_densities(densities, alike, pixel_size), weight)
            product = (seen.conj() * expected).real.sum((1, 2, 3))
            columns.append(
                product / (seen.abs().square().sum((1, 2, 3)) * expected.abs().square().sum((1, 2, 3))).sqrt()
            )
        found.append(torch.stack(columns, 1))
    return torch.cat(found)


def labels_kept(correlations: Float[Tensor, "count classes"], molecules: Molecules) -> float:
    """The share of the volumes in which no other density is found as well as that of their class."""
    return float((correlations.argmax(1) == molecules.structure).double().mean())


def _whitened(volumes: Float[Tensor, "some box box box"], weight: Float[Tensor, "box box half"]) -> Tensor:
    return fourier_transform(volumes, 3) * weight


def _weight(volumes: Float[Tensor, "count box box box"]) -> Float[Tensor, "box box half"]:
    """One over the amplitude that a shell has on average; nothing for the mean and where next to nothing is."""
    box = volumes.shape[-1]
    power = sum((fourier_transform(some, 3).abs().square().sum(0) for some in volumes.split(_AT_ONCE)), torch.zeros(1))
    power[0, 0, 0] = 0.0
    alike = shell_average(power, box, 3)[shell_index(box, 3).clamp(max=box // 2)]
    weight = torch.where(power > _UNSEEN * alike, (alike + _FLOOR * alike.max()).rsqrt(), 0.0)
    return weight * hermitian_weight(box).sqrt()
