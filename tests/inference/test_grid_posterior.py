"""All poses of a grid, weighed: what is added up is what the definition adds up."""

import pytest
import torch

from frazil.data import pseudo_protein
from frazil.geometry import Pose, fourier_transform, half_turn_grid, phase_ramp, random_rotations
from frazil.inference import Evidence, FourierDisc, GridPosterior, finest_shell
from frazil.inference.pose_search import shift_grid
from frazil.physics import form_images, sample_slices, to_fourier_volume

BOX, PIXEL_SIZE, COUNT, LAST = 24, 8.0, 5, 6


@pytest.mark.parametrize("strength", [1.0, 0.3])
@pytest.mark.parametrize("scaled", [True, False])
def test_the_sums_are_means_over_all_poses_by_their_probability(scaled: bool, strength: float) -> None:
    volume = pseudo_protein(BOX, PIXEL_SIZE).double()
    generator = torch.Generator().manual_seed(1)
    pose = Pose(random_rotations(COUNT, generator).double(), torch.zeros(COUNT, 2).double())
    images = form_images(volume, pose, None, PIXEL_SIZE)
    images = images + images.std() * torch.randn(images.shape, generator=generator).double()
    disc = FourierDisc.of(LAST, like=images)
    ctf = torch.rand(COUNT, len(disc.weight), generator=generator).double() - 0.3
    precision = disc.weight / (images.std() * BOX) ** 2
    evidence = Evidence(fourier_transform(images)[:, disc.inside] * ctf * precision, ctf.square() * precision)
    half, spectrum = half_turn_grid(0).double(), to_fourier_volume(volume)
    slices = sample_slices(spectrum, half, disc.frequency)
    posterior = GridPosterior(slices, disc, 1.5, scaled, strength)
    for row in range(COUNT):
        posterior.add(evidence[row : row + 1])

    turned = half * half.new_tensor([-1.0, -1.0, 1.0])[:, None]
    every = sample_slices(spectrum, torch.cat([half, turned]), disc.frequency)
    back = phase_ramp(-shift_grid(1.5, 0.24 * BOX / LAST).double(), disc.frequency)
    moved = evidence.matched[:, None] * back
    cross = torch.einsum("bsp,np->bns", moved.conj(), every).real
    size = torch.einsum("bp,np->bn", evidence.power, every.abs().square())[..., None]
    score = cross - size / 2 if scaled else cross.clamp(min=0).square() / (2 * size)
    weight = (strength * score).flatten(1).softmax(1).view_as(score)
    one, other = weight.split(len(half), dim=1)
    expected = (
        torch.einsum("bns,bsp->np", one.to(moved), moved) + torch.einsum("bns,bsp->np", other.to(moved), moved).conj()
    )
    torch.testing.assert_close(posterior.sums.slices, expected)
    torch.testing.assert_close(posterior.sums.weight, torch.einsum("bns,bp->np", one + other, evidence.power))
    torch.testing.assert_close(posterior.sums.evidence, score.flatten(1).logsumexp(1).sum())


def test_the_finest_shell_is_what_the_grid_tells_apart() -> None:
    assert finest_shell(64, 20.3, order=3) == 15
    assert finest_shell(64, 26.7, order=3) < finest_shell(64, 13.0, order=3) <= 31
    assert finest_shell(64, 10.0, order=2) == finest_shell(64, 20.0, order=3)
