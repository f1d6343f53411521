"""Images of one specimen made chunk by chunk, each from its own random numbers, on any number of threads."""

import io
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import hermitian_weight, shell_index
from frazil.io import ImageStack
from frazil.physics import (
    Conditions,
    FourierVolume,
    ImagingPrior,
    colour_noise,
    form_images,
    radial_power,
    white_noise,
)

_PIXELS_AT_ONCE = 2**18  # about 80 MB a thread
_CALIBRATION_COUNT = 512
_BACKGROUND_COUNT = 1000
_Result = TypeVar("_Result")


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
    generator = _chunk_generator(scene.seed, scene.first + chunk)
    count = min(scene.chunk, scene.count - chunk * scene.chunk)
    conditions = scene.prior.sample(count, generator)
    device = scene.spectrum.values.device
    ctf = None if conditions.ctf is None else conditions.ctf.to(device)
    images = form_images(scene.spectrum, conditions.pose.to(device), ctf, scene.pixel_size)
    if noise_std > 0:
        noise = white_noise(tuple(images.shape), generator).to(device)
        images = images + noise_std * (noise if scene.power is None else colour_noise(noise, scene.power.to(device)))
    return Exposure(images.cpu(), conditions)


def _chunk_generator(seed: int, chunk: int) -> torch.Generator:
    # The generator keeps 32 bits of its seed: counting up from a scattered start, no two chunks share them.
    start = int(np.random.SeedSequence(seed).generate_state(1)[0])
    return torch.Generator().manual_seed((start + chunk) % 2**32)


def calibration_images(scene: Scene, scenes: int = 1) -> Float[Tensor, "batch box box"]:
    """The scene's own first images without noise, to set the noise's strength by; fewer where there are more scenes."""
    chunks = range(min(scene.chunks, -(-_CALIBRATION_COUNT // (scenes * scene.chunk))))
    return torch.cat([expose(scene, chunk, noise_std=0.0).images for chunk in chunks])


def expose_all(scene: Scene, noise_std: float, workers: int) -> Iterator[Exposure]:
    """Every chunk in its order, formed by `workers` threads that run a few chunks ahead at most."""
    return in_order(lambda chunk: expose(scene, chunk, noise_std), scene.chunks, workers)


@contextmanager
def one_thread_per_operation() -> Iterator[None]:
    """Let workers run side by side, and sums in one order: bytes do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_order(function: Callable[[int], _Result], count: int, workers: int) -> Iterator[_Result]:
    """A function of 0, 1, 2 ... in this order, by `workers` threads that run a few ahead at most."""
    pool = ThreadPoolExecutor(workers)
    try:
        waiting = (pool.submit(function, number) for number in range(count))
        ahead: deque[Future[_Result]] = deque(islice(waiting, workers + 1))
        while ahead:
            result = ahead.popleft().result()
            ahead.extend(islice(waiting, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


def noise_power(noise: str, box: int, pixel_size: float) -> Float[Tensor, " shells"] | None:
    """Radial power spectrum on the shells of a box, scaled to noise of variance 1; None for white noise.

    `noise` is the word white, a stack of background images, or a text file with two columns, frequency in
    1/angstrom and power. Frequencies beyond those known take the last one's power.
    """
    known = noise_curve(noise)
    if known is None:
        return None
    shells = np.arange(box // 2 + 1) / (box * pixel_size)
    power = torch.from_numpy(np.interp(shells, known[:, 0], known[:, 1])).float()
    shell = shell_index(box).clamp(max=box // 2)
    return power / ((power[shell] * hermitian_weight(box)).sum() / box**2)


def noise_curve(noise: str) -> np.ndarray | None:
    """Frequency (1/angstrom, rising) and power, in any unit, of what `noise_power` is told; None for white noise."""
    if noise == "white":
        return None
    path = Path(noise)
    stack = any(suffix in (".mrcs", ".mrc", ".st") for suffix in path.suffixes)
    return _background_spectrum(path) if stack else _tabulated_spectrum(path)


def _background_spectrum(path: Path) -> np.ndarray:
    stack = ImageStack(path)
    if stack.pixel_size <= 0:
        raise ValueError(f"{path}: its header gives no pixel size, so the frequencies of its noise are unknown")
    images = torch.from_numpy(stack.read(range(min(len(stack), _BACKGROUND_COUNT))))
    power = radial_power(images)
    power[0] = power[1]  # the mean of each image was taken off
    return np.stack([np.arange(len(power)) / (stack.box * stack.pixel_size), power.numpy()], axis=1)


def _tabulated_spectrum(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: --noise must be white or a file, and there is no such file")
    try:
        table = np.loadtxt(io.StringIO(path.read_text().replace(",", " ")), ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path}: not a table of frequency and power: {error}") from None
    if (
        table.shape[1] < 2
        or len(table) < 2
        or not np.isfinite(table[:, :2]).all()
        or not (np.diff(table[:, 0]) > 0).all()
        or (table[:, 1] < 0).any()
        or not table[:, 1].any()
    ):
        raise ValueError(f"{path}: the first column must be rising frequencies, the second their power, none negative")
    return table
