"""All that a likelihood takes of an image, and the products that give it for many poses at once."""

import pytest
import torch
from torch import Tensor

from frazil.geometry import frequency_grid, shell_index
from frazil.inference import Evidence, FourierDisc, Observed
from frazil.inference.likelihood import SharedSlices, log_likelihoods

BOX, COUNT = 12, 3


@pytest.fixture
def disc() -> FourierDisc:
    return FourierDisc.of(4, like=torch.zeros(BOX, BOX))


def spectra(count: int, disc: FourierDisc) -> Tensor:
    return torch.randn(count, len(disc.weight), dtype=torch.complex64)


def test_a_disc_counts_each_coefficient_of_the_full_spectrum_once(disc: FourierDisc) -> None:
    distance = BOX * torch.cartesian_prod(*[torch.fft.fftfreq(BOX)] * 2).norm(dim=1)
    in_full = [int((distance.round() == shell).sum()) for shell in range(1, 5)]
    counted = torch.zeros(5).index_add_(0, disc.shell, disc.weight)[1:]
    assert counted.tolist() == in_full
    assert torch.equal(disc.frequency, frequency_grid(BOX)[disc.inside])
    assert set(shell_index(BOX)[disc.inside].tolist()) == {1, 2, 3, 4}


def test_a_disc_ends_before_nyquist() -> None:
    assert int(FourierDisc.of(99, like=torch.zeros(BOX, BOX)).shell.max()) == BOX // 2 - 1


def test_means_of_shells_are_sums_over_their_coefficients(disc: FourierDisc) -> None:
    sums = torch.zeros(BOX // 2 + 1).index_add_(0, disc.shell, disc.weight * disc.shell)
    torch.testing.assert_close(disc.shell_means(sums), torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 0.0]))


def test_the_likelihood_of_a_pose_is_that_of_gaussian_noise(disc: FourierDisc) -> None:
    """ln p(y | CPx) - ln p(y | nothing), summed over the full spectrum's independent numbers."""
    observed, expected = Observed(spectra(COUNT, disc), torch.rand(COUNT, len(disc.weight))), spectra(COUNT, disc)
    noise = torch.rand(BOX // 2 + 1) + 0.5
    evidence = Evidence.of(observed, disc, noise)
    cross = (evidence.matched * expected.conj()).real.sum(1)
    size = (evidence.power * expected.abs().square()).sum(1)
    left = observed.spectrum - observed.ctf * expected
    gained = observed.spectrum.abs().square() - left.abs().square()
    wanted = (gained * disc.weight / noise[disc.shell]).sum(1) / 2
    torch.testing.assert_close(log_likelihoods(cross.clone(), size, scaled=True), wanted)
    best = cross / size  # with the contrast free, the likelihood is that of the best one
    free = best * cross - best.square() * size / 2
    torch.testing.assert_close(log_likelihoods(cross.clone(), size, scaled=False), torch.where(best > 0, free, 0.0))


def test_evidence_of_a_smaller_disc_is_that_of_its_frequencies(disc: FourierDisc) -> None:
    smaller = FourierDisc.of(2, like=torch.zeros(BOX, BOX))
    evidence = Evidence(spectra(COUNT, disc), torch.rand(COUNT, len(disc.weight)))
    cut = evidence.at(disc.up_to(2))
    assert cut.matched.shape == (COUNT, len(smaller.weight))
    assert torch.equal(cut.power, evidence.power[:, disc.shell <= 2])


def test_shared_slices_give_the_products_of_slices_and_of_their_conjugates(disc: FourierDisc) -> None:
    slices, moved = spectra(5, disc), spectra(2 * COUNT, disc).unflatten(0, (COUNT, 2))
    power = torch.rand(COUNT, len(disc.weight))
    cross, size = SharedSlices.of(slices).products(moved, power)
    every = torch.cat([slices, slices.conj()])
    torch.testing.assert_close(cross, torch.einsum("bsp,np->bns", moved, every).real)
    torch.testing.assert_close(size, torch.einsum("bp,np->bn", power, every.abs().square()))
