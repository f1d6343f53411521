"""Images of one specimen made chunk by chunk, each from its own random numbers, on any number of threads."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.seeds import numbered_generator
from frazil.data.workers import in_order
from frazil.physics import (
    Conditions,
    FourierVolume,
    ImagingPrior,
    colour_noise,
    form_images,
    white_noise,
)

_PIXELS_AT_ONCE = 2**18  # about 80 MB a thread
_CALIBRATION_COUNT = 512


@dataclass(frozen=True)
class Scene:
    """What a simulated data set is drawn from: everything but the noise's strength."""

    spectrum: FourierVolume
    pixel_size: float
    prior: ImagingPrior
    power: Float[Tensor, " shells"] | None
    """Radial power spectrum of the noise, its mean over pixels 1; None for white noise."""
    seed: int
    count: int
    first: int = 0
    """Images of the data set before this scene's, whose random numbers are not drawn again."""

    @property
    def chunk(self) -> int:
        """Images formed at once: fixed by the box, so that it cannot change the random numbers."""
        return max(1, _PIXELS_AT_ONCE // self.spectrum.box**2)

    @property
    def chunks(self) -> int:
        """How many chunks make up the data set."""
        return -(-self.count // self.chunk)


@dataclass(frozen=True)
class Exposure:
    """Images on the CPU and the conditions each was made under."""

    images: Float[Tensor, "batch box box"]
    conditions: Conditions


def expose(scene: Scene, chunk: int, noise_std: float) -> Exposure:
    """The images of one chunk, a pure function of the scene's seed and the chunk's number."""
    generator = numbered_generator(scene.seed, scene.first + chunk)
    count = min(scene.chunk, scene.count - chunk * scene.chunk)
    conditions = scene.prior.sample(count, generator)
    device = scene.spectrum.values.device
    ctf = None if conditions.ctf is None else conditions.ctf.to(device)
    images = form_images(scene.spectrum, conditions.pose.to(device), ctf, scene.pixel_size)
    if noise_std > 0:
        noise = white_noise(tuple(images.shape), generator).to(device)
        images = images + noise_std * (noise if scene.power is None else colour_noise(noise, scene.power.to(device)))
    return Exposure(images.cpu(), conditions)


def calibration_images(scene: Scene, scenes: int = 1) -> Float[Tensor, "batch box box"]:
    """The scene's own first images without noise, to set the noise's strength by; fewer where there are more scenes."""
    chunks = range(min(scene.chunks, -(-_CALIBRATION_COUNT // (scenes * scene.chunk))))
    return torch.cat([expose(scene, chunk, noise_std=0.0).images for chunk in chunks])


def expose_all(scene: Scene, noise_std: float, workers: int) -> Iterator[Exposure]:
    """Every chunk in its order, formed by `workers` threads that run a few chunks ahead at most."""
    return in_order(lambda chunk: expose(scene, chunk, noise_std), scene.chunks, workers)
