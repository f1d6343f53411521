"""The network of coordinates: what it shows is what it is."""

import torch

from frazil.geometry import fourier_transform, random_rotations
from frazil.inference import FourierDisc
from frazil.methods.cryodrgn.decoder import CoordinateDecoder
from frazil.nets import FrequencyEncoding
from frazil.physics import project

BOX = 24
DISC = FourierDisc.of(BOX, like=torch.empty(BOX))
ROTATION = random_rotations(3, torch.Generator().manual_seed(1))
LATENT = torch.randn(3, 2, generator=torch.Generator().manual_seed(2))


def decoder(latent_dim: int = 2, begun: bool = True) -> CoordinateDecoder:
    torch.manual_seed(0)
    network = CoordinateDecoder(BOX, FrequencyEncoding(BOX, "gaussian", 0.5), latent_dim, 32, 2)
    if begun:
        torch.nn.init.normal_(network.rest[-1].weight)
    return network


def test_an_image_seen_from_behind_is_the_mirrored_one() -> None:
    """A spectrum that is the conjugate of itself at the opposite frequency is that of a real volume."""
    own = decoder()
    with torch.no_grad():
        seen = own.slices(LATENT, ROTATION, DISC.frequency)
        opposite = own.slices(LATENT, ROTATION, -DISC.frequency)
    assert torch.allclose(opposite, seen.conj(), atol=1e-5)


def test_slices_are_those_of_the_volume() -> None:
    own = decoder()
    with torch.no_grad():
        seen = own.slices(LATENT, ROTATION, DISC.frequency) * BOX
    for latent, rotation, found in zip(LATENT, ROTATION, seen, strict=True):
        projection = project(own.volume(latent), rotation[None])[0]
        expected = fourier_transform(projection)[DISC.inside]
        # A network's volume has no edge: what is beyond the box is cut off when it is projected.
        assert (found - expected).norm() / expected.norm() < 0.5


def test_along_the_axes_slices_are_exactly_those_of_the_volume() -> None:
    own = decoder()
    with torch.no_grad():
        seen = own.slices(LATENT[:1], torch.eye(3)[None], DISC.frequency)[0] * BOX
    expected = fourier_transform(own.volume(LATENT[0]).sum(0))[DISC.inside]
    ahead = DISC.frequency[:, 0] > 0  # at x = 0 a coefficient and its partner are both the network's own
    assert torch.allclose(seen[ahead], expected[ahead], atol=1e-4 * expected.abs().max())


def test_without_latent_it_is_of_one_volume() -> None:
    assert decoder(latent_dim=0).volume(torch.empty(0)).shape == (BOX, BOX, BOX)


def test_it_begins_with_an_empty_volume() -> None:
    assert decoder(begun=False).volume(LATENT[0]).abs().max() == 0
