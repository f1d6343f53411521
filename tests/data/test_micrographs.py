"""Micrographs at the network's scale: places come along, slow changes go."""

import numpy as np
import pytest
import torch

from frazil.data.micrograph_crops import CropSampler, KnownMicrograph
from frazil.data.micrographs import ScaledMicrograph, flattened, scaled_micrograph


def blots(places: np.ndarray, size: tuple[int, int], spread: float) -> torch.Tensor:
    """Bright blots on a field of (x, y) pixels."""
    y, x = torch.arange(float(size[1]))[:, None], torch.arange(float(size[0]))
    return torch.stack([torch.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * spread**2)) for a, b in places]).sum(0)


def test_a_particle_is_where_its_place_says_at_any_scale(generator: torch.Generator) -> None:
    places = np.array([[60.0, 50.0], [150.25, 110.5], [201.0, 30.0]])
    image = blots(places, (247, 163), 6.0) + 0.01 * torch.randn(163, 247, generator=generator)
    seen = scaled_micrograph("a.mrc", image, diameter_px=30.0, wanted_px=8.0)
    assert seen.image.shape == (43, 66)
    moved = seen.to_scale(places)
    # The brightest pixel is the nearest to each place.
    for x, y in moved.tolist():
        window = seen.image[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
        at = torch.stack([window.sum(0) @ torch.arange(-3.0, 4), window.sum(1) @ torch.arange(-3.0, 4)])
        offset = at / window.sum() - (torch.tensor([x, y]) - torch.tensor([x, y]).round())
        assert offset.abs().max() < 0.35
    assert np.allclose(seen.to_file(moved), places, atol=1e-3)


def test_flattening_takes_off_slow_changes_and_scales_the_noise(generator: torch.Generator) -> None:
    noise = torch.randn(200, 240, generator=generator)
    slow = 30 * torch.linspace(0, 1, 240) + 500
    flat = flattened(7 * noise + slow, 20.0)
    assert flat.median().abs() < 0.02
    assert flat.std() == pytest.approx(1, abs=0.03)
    inner = flat[20:-20, 30:-30]
    assert torch.corrcoef(torch.stack([inner.flatten(), noise[20:-20, 30:-30].flatten()]))[0, 1] > 0.99
    assert torch.allclose(flat, flattened(3 * (7 * noise + slow) - 90, 20.0), atol=1e-3)


def test_crops_hold_the_centres_that_lie_in_them(generator: torch.Generator) -> None:
    places = torch.tensor([[10.0, 12.0], [40.0, 30.0], [25.0, 5.0]])
    image = blots(places.numpy().astype(np.float64), (64, 48), 1.5)
    known = KnownMicrograph(ScaledMicrograph("a.mrc", image, torch.ones(2)), places)
    crops = CropSampler([known], 32, 10.0).draw(40, generator)
    assert crops.images.shape == crops.truth.shape == (40, 32, 32)
    assert (crops.truth == 1).any()
    # Image and truth are turned together: where a centre is, the image is bright, by the crop's contrast.
    brightest = crops.images.flatten(1).amax(1)[:, None, None]
    bright = (crops.images / brightest)[crops.truth == 1]
    assert bright.min() > 0.5


def test_some_crops_are_noise_of_the_same_spectrum_without_centres(generator: torch.Generator) -> None:
    places = torch.tensor([[16.0, 16.0]])
    image = blots(places.numpy().astype(np.float64), (32, 32), 1.5)
    known = KnownMicrograph(ScaledMicrograph("a.mrc", image, torch.ones(2)), places)
    crops = CropSampler([known], 32, 10.0).draw(80, generator)  # each is the whole, but for turns
    empty = (crops.truth == 0).all((1, 2))
    assert 8 < empty.sum() < 32
    power = torch.fft.rfft2(crops.images).abs().square().sum((1, 2))
    assert torch.allclose(power, power[:1].expand(80), rtol=0.2)
    assert crops.images[empty].amax() < 0.5 * crops.images[~empty].amax()


def test_a_micrograph_that_is_smaller_than_a_crop_is_refused() -> None:
    known = KnownMicrograph(ScaledMicrograph("a.mrc", torch.zeros(20, 50), torch.ones(2)), torch.zeros(0, 2))
    with pytest.raises(ValueError, match=r"a.mrc: at 10 px a particle it is 50 x 20 px, too small for crops of 32"):
        CropSampler([known], 32, 10.0)
