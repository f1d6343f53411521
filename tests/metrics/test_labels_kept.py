"""Labels are kept where a volume shows the density of its class in its pose, and not where it shows another."""

from dataclasses import replace

import pytest
import torch

from frazil.data import pseudo_protein
from frazil.geometry import random_rotations, rotate_volume
from frazil.metrics.labels_kept import class_correlations, labels_kept
from frazil.physics.subtomograms import Molecules, TiltSeriesImaging
from frazil.physics.tilt_scheme import TiltScheme

BOX, PIXEL_SIZE, COUNT = 16, 20.0, 12


def densities() -> list[torch.Tensor]:
    """Two molecules that differ by what half a turn about one axis does to half of their density."""
    first = pseudo_protein(BOX, PIXEL_SIZE)
    return [first, 0.5 * (first + rotate_volume(first, torch.diag(torch.tensor([1.0, -1.0, -1.0]))))]


def lying() -> Molecules:
    """The two in turns, by chance."""
    generator = torch.Generator().manual_seed(0)
    return Molecules(
        place=torch.zeros(COUNT, 3),
        rotation=random_rotations(COUNT, generator),
        within=40 * (torch.rand(COUNT, 3, generator=generator) - 0.5),
        structure=torch.arange(COUNT) % 2,
    )


def imaged(noise_std: float) -> torch.Tensor:
    """Their subtomograms, with noise of so many times the first one's deviation."""
    imaging = TiltSeriesImaging(densities(), PIXEL_SIZE, TiltScheme())
    noise = imaging.noise(lying(), None, torch.Generator().manual_seed(1))
    return imaging.clean(lying(), None) + noise_std * densities()[0].std() * noise


def kept(volumes: torch.Tensor, molecules: Molecules) -> float:
    return labels_kept(class_correlations(volumes, densities(), molecules, PIXEL_SIZE), molecules)


def with_own(volumes: torch.Tensor, molecules: Molecules) -> torch.Tensor:
    found = class_correlations(volumes, densities(), molecules, PIXEL_SIZE)
    return found[torch.arange(COUNT), molecules.structure]


@pytest.mark.parametrize("noise_std", [0.0, 0.3])
def test_a_volume_is_most_like_the_density_of_its_class(noise_std: float) -> None:
    volumes, molecules = imaged(noise_std), lying()
    assert kept(volumes, molecules) == 1.0
    assert kept(volumes, replace(molecules, structure=1 - molecules.structure)) == 0.0


def test_in_another_pose_a_volume_is_not_like_its_density() -> None:
    volumes, molecules = imaged(0.0), lying()
    own = with_own(volumes, molecules)
    assert own.min() > 0.8
    assert with_own(volumes, replace(molecules, rotation=molecules.rotation.roll(1, 0))).mean() < own.mean() - 0.1


def test_units_do_not_matter() -> None:
    volumes, molecules = imaged(0.1), lying()
    assert torch.allclose(with_own(7 * volumes + 3, molecules), with_own(volumes, molecules), atol=1e-4)
