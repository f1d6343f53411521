"""Decoders of a volume's spectrum: what they show is what they are."""

import pytest
import torch

from frazil.data import pseudo_protein
from frazil.geometry import fourier_transform, random_rotations
from frazil.inference import FourierDisc
from frazil.methods.cryodrgn.decoder import BasisDecoder, CoordinateDecoder, FourierDecoder
from frazil.nets import FrequencyEncoding
from frazil.physics import project

BOX = 24
DISC = FourierDisc.of(BOX, like=torch.empty(BOX))
ROTATION = random_rotations(3, torch.Generator().manual_seed(1))
LATENT = torch.randn(3, 2, generator=torch.Generator().manual_seed(2))


def decoder(kind: str) -> FourierDecoder:
    torch.manual_seed(0)
    if kind == "coordinates":
        network = CoordinateDecoder(BOX, FrequencyEncoding(BOX, "gaussian", 0.5), 2, 32, 2)
        torch.nn.init.normal_(network.rest[-1].weight)
        return network
    basis = BasisDecoder(BOX, 9.0, 2, 2, 8)
    with torch.no_grad():
        for number, volume in enumerate(basis.volumes):
            volume.copy_(pseudo_protein(BOX, 7.0).roll(number, number))
    return basis


@pytest.mark.parametrize("kind", ["coordinates", "basis"])
def test_an_image_seen_from_behind_is_the_mirrored_one(kind: str) -> None:
    """A spectrum that is the conjugate of itself at the opposite frequency is that of a real volume."""
    own = decoder(kind)
    with torch.no_grad():
        seen = own.slices(LATENT, ROTATION, DISC.frequency)
        opposite = own.slices(LATENT, ROTATION, -DISC.frequency)
    assert torch.allclose(opposite, seen.conj(), atol=1e-5)


@pytest.mark.parametrize("kind", ["coordinates", "basis"])
def test_slices_are_those_of_the_volume(kind: str) -> None:
    own = decoder(kind)
    with torch.no_grad():
        seen = own.slices(LATENT, ROTATION, DISC.frequency) * BOX
    for latent, rotation, found in zip(LATENT, ROTATION, seen, strict=True):
        projection = project(own.volume(latent), rotation[None])[0]
        expected = fourier_transform(projection)[DISC.inside]
        error = (found - expected).norm() / expected.norm()
        # A network's volume has no edge: what is beyond the box is cut off when it is projected.
        assert error < (0.5 if kind == "coordinates" else 0.03)


def test_along_the_axes_slices_of_a_network_are_exactly_those_of_its_volume() -> None:
    own = decoder("coordinates")
    with torch.no_grad():
        seen = own.slices(LATENT[:1], torch.eye(3)[None], DISC.frequency)[0] * BOX
    expected = fourier_transform(own.volume(LATENT[0]).sum(0))[DISC.inside]
    ahead = DISC.frequency[:, 0] > 0  # at x = 0 a coefficient and its partner are both the network's own
    assert torch.allclose(seen[ahead], expected[ahead], atol=1e-4 * expected.abs().max())


def test_a_decoder_without_latent_is_of_one_volume() -> None:
    for own in (
        CoordinateDecoder(BOX, FrequencyEncoding(BOX, "gaussian", 0.5), 0, 8, 1),
        BasisDecoder(BOX, 9.0, 0, 4, 8),
    ):
        assert own.volume(torch.empty(0)).shape == (BOX, BOX, BOX)


def test_a_network_begins_with_an_empty_volume() -> None:
    network = CoordinateDecoder(BOX, FrequencyEncoding(BOX, "gaussian", 0.5), 2, 32, 2)
    assert network.volume(LATENT[0]).abs().max() == 0


def test_a_basis_is_nothing_beyond_the_particle() -> None:
    own = decoder("basis")
    assert own.volume(LATENT[0])[0, 0].abs().max() == 0
