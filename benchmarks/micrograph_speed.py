"""How long a micrograph takes: simulated beside one projection and one NumPy CTF at a time, and generated.

    python benchmarks/micrograph_speed.py [--threads 1] [--particles 200] [--size 1024]

Writes benchmarks/results/micrograph_speed_<hardware>_<date>.md.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from floor import seconds, work
from results_file import heading, markdown_table, write_results
from scipy import ndimage

from frazil.data.memory import keep_freed_memory
from frazil.data.workers import in_order, one_thread_per_operation
from frazil.geometry import random_rotations
from frazil.methods.cryogem import PUBLISHED, CryoGEM, CryoGEMConfig
from frazil.recipes.simulate_micrographs import SimulateMicrographs, exposure_of, fields_of

PIXEL_SIZE, MODEL, CPU = 1.8, "pseudo-protein", torch.device("cpu")
NOTE = """One micrograph of {size} x {size} pixels of {pixel:g} A with {particles} particles in boxes of {box} px,
before any network, {threads} thread(s). One at a time, as CryoGEM's released code works: each particle's volume turned
and summed (trilinear; beside it SciPy's default, splines), each place drawn among the pixels that are free, then one
CTF in NumPy, and noise. frazil: the default physics, each particle at its own defocus, and its labels; with workers,
time for each of {batch} micrographs, as the command makes them."""
BATCH = 8


def one_at_a_time(volume: np.ndarray, rotations: np.ndarray, size: int, project: Callable) -> np.ndarray:
    """A micrograph as simple scripts make it."""
    box, draw = len(volume), np.random.default_rng(0)
    field, taken = np.zeros((size + 2 * box, size + 2 * box)), np.zeros((size, size), dtype=bool)
    for rotation in rotations:
        free = np.where(~taken)
        if not len(free[0]):
            break
        y, x = (axis[draw.integers(len(axis))] for axis in free)
        taken[max(0, y - box // 4) : y + box // 4, max(0, x - box // 4) : x + box // 4] = True
        field[y + box // 2 : y + box // 2 + box, x + box // 2 : x + box // 2 + box] += project(volume, rotation)
    field = field[box : box + size, box : box + size]
    seen = np.fft.ifft2(np.fft.fft2(field) * numpy_ctf(size, PIXEL_SIZE)).real
    return seen + draw.normal(scale=3 * seen.std(), size=seen.shape)


def trilinear(volume: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """A projection of the volume turned on the voxels' grid."""
    given = torch.from_numpy(volume).float()[None, None]
    turned = torch.from_numpy(rotation).float()[None]
    grid = torch.nn.functional.affine_grid(torch.nn.functional.pad(turned, (0, 1)), given.shape, align_corners=False)
    return torch.nn.functional.grid_sample(given, grid, align_corners=False)[0, 0].sum(0).numpy()


def splines(volume: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """The same with SciPy's default interpolation."""
    centre = np.full(3, len(volume) // 2)
    return ndimage.affine_transform(volume, rotation, centre - rotation @ centre).sum(0)


def numpy_ctf(size: int, pixel_size: float) -> np.ndarray:
    """-sin of the lens's phase, with astigmatism, over all frequencies of a square field."""
    frequency = np.fft.fftfreq(size, pixel_size)
    x, y = np.meshgrid(frequency, frequency)
    square, angle = x**2 + y**2, np.arctan2(y, x)
    defocus = 0.5 * (15000 + 15300 + (15000 - 15300) * np.cos(2 * (angle - 0.5)))
    phase = np.pi * 0.0197 * square * defocus - 0.5 * np.pi * 2.7e7 * 0.0197**3 * square**2
    return -np.sqrt(1 - 0.1**2) * np.sin(phase) - 0.1 * np.cos(phase)


def by_workers(make: Callable[[int], object], workers: int) -> float:
    """Seconds for a micrograph, of several that workers share, an operation of each on one thread."""
    with one_thread_per_operation():
        return seconds(lambda: [None for _ in in_order(make, BATCH, workers)], CPU, 1) / BATCH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"threads": 1, "particles": 200, "size": 1024, "repeats": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()  # as the command does
    options = SimulateMicrographs(
        models=(MODEL,),
        out=Path("nowhere"),
        count=1,
        size=(given.size, given.size),
        pixel_size=PIXEL_SIZE,
        particles=float(given.particles),
        crowding=0.5,
    )
    data = fields_of(options)
    exposure, spectrum = exposure_of(options, data), data.population.structures[0]
    volume = np.random.default_rng(0).random((spectrum.box,) * 3)
    rotations = random_rotations(given.particles, torch.Generator().manual_seed(0)).double().numpy()
    ours = seconds(lambda: data.micrograph(0, exposure), CPU, given.repeats)
    shared = by_workers(lambda number: data.micrograph(number, exposure), given.threads)
    lens = seconds(lambda: numpy_ctf(given.size, PIXEL_SIZE), CPU, given.repeats)
    simple = [
        seconds(lambda way=way: one_at_a_time(volume, rotations, given.size, way), CPU, 1)
        for way in (trilinear, splines)
    ]
    rows = [
        [name, f"{took:.3f}", f"{took / ours:.1f}", f"{took / shared:.1f}"]
        for name, took in {
            "one at a time, trilinear": simple[0],
            "one at a time, splines": simple[1],
            "of which the CTF": lens,
            "frazil, one micrograph": ours,
            f"frazil, {given.threads} worker(s)": shared,
        }.items()
    ]
    note = NOTE.format(**{**vars(given), "particles": given.particles}, pixel=PIXEL_SIZE, box=spectrum.box, batch=BATCH)
    parts = [
        heading("Micrographs", CPU),
        note,
        markdown_table(["", "seconds", "times frazil's", "times its workers'"], rows),
    ]
    parts += ["The networks that generate, on 1,024 x 1,024 pixels:", networks_table(given.repeats)]
    text = "\n\n".join(parts) + "\n"
    print(f"{text}\n{write_results('micrograph_speed', torch.device('cpu'), text)}")


def networks_table(repeats: int) -> str:
    """Multiplications and time of translators."""
    image = torch.randn(1, 1024, 1024)
    rows = []
    for name, config in {"frazil's": CryoGEMConfig(), "the paper's": replace(PUBLISHED, critic_width=8)}.items():
        translator = CryoGEM(config, seed=0).translator.requires_grad_(False)
        asked = work(lambda net=translator: net(image, image))
        took = seconds(lambda net=translator: net(image, image), CPU, repeats)
        weights = sum(p.numel() for p in translator.parameters()) / 1e6
        rows.append([name, f"{asked.flops / 2e9:.0f}", f"{took:.2f}", f"{weights:.1f}"])
    return markdown_table(["", "GMAC", "seconds", "million weights"], rows)


if __name__ == "__main__":
    main()
