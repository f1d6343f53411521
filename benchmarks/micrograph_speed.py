"""How long a micrograph takes: simulated beside one projection and one NumPy CTF at a time, and generated.

    python benchmarks/micrograph_speed.py [--threads 1] [--particles 200] [--size 1024]

Writes benchmarks/results/micrograph_speed_<hardware>_<date>.md.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from floor import seconds, work
from results_file import heading, markdown_table, write_results
from scipy import ndimage

from frazil.data.memory import keep_freed_memory
from frazil.geometry import random_rotations
from frazil.methods.cryogem import PUBLISHED, CryoGEM, CryoGEMConfig
from frazil.recipes.simulate_micrographs import SimulateMicrographs, exposure_of, fields_of

PIXEL_SIZE, MODEL, CPU = 1.8, "pseudo-protein", torch.device("cpu")
NOTE = """One micrograph of {size} x {size} pixels of {pixel:g} A with {particles} particles in boxes of {box} px,
before any network, {threads} thread(s). One at a time: the volume turned by scipy.ndimage.affine_transform and summed
for every particle, then one CTF in NumPy, and noise. frazil: the default physics, each particle at its own defocus."""


def one_at_a_time(volume: np.ndarray, rotations: np.ndarray, places: np.ndarray, size: int, order: int) -> np.ndarray:
    """A micrograph as simple scripts make it."""
    box = len(volume)
    centre = np.full(3, box // 2)
    field = np.zeros((size + 2 * box, size + 2 * box))
    for rotation, (x, y) in zip(rotations, places.round().astype(int), strict=True):
        turned = ndimage.affine_transform(volume, rotation, centre - rotation @ centre, order=order)
        field[y + box // 2 : y + box // 2 + box, x + box // 2 : x + box // 2 + box] += turned.sum(0)
    field = field[box : box + size, box : box + size]
    seen = np.fft.ifft2(np.fft.fft2(field) * numpy_ctf(size, PIXEL_SIZE)).real
    return seen + np.random.default_rng(0).normal(scale=3 * seen.std(), size=seen.shape)


def numpy_ctf(size: int, pixel_size: float) -> np.ndarray:
    """-sin of the lens's phase, with astigmatism, over all frequencies of a square field."""
    frequency = np.fft.fftfreq(size, pixel_size)
    x, y = np.meshgrid(frequency, frequency)
    square, angle = x**2 + y**2, np.arctan2(y, x)
    defocus = 0.5 * (15000 + 15300 + (15000 - 15300) * np.cos(2 * (angle - 0.5)))
    phase = np.pi * 0.0197 * square * defocus - 0.5 * np.pi * 2.7e7 * 0.0197**3 * square**2
    return -np.sqrt(1 - 0.1**2) * np.sin(phase) - 0.1 * np.cos(phase)


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
    places = data.labels(0).particles.place.numpy()
    ours = seconds(lambda: data.micrograph(0, exposure), CPU, given.repeats)
    lens = seconds(lambda: numpy_ctf(given.size, PIXEL_SIZE), CPU, given.repeats)
    turns = rotations[: len(places)]
    simple = {
        order: seconds(lambda n=order: one_at_a_time(volume, turns, places, given.size, n), CPU, 1) for order in (1, 3)
    }
    rows = [
        ["one at a time, linear interpolation", f"{simple[1]:.3f}", f"{simple[1] / ours:.1f}"],
        ["one at a time, splines (SciPy's default)", f"{simple[3]:.3f}", f"{simple[3] / ours:.1f}"],
        ["of which the CTF", f"{lens:.3f}", ""],
        ["frazil", f"{ours:.3f}", "1"],
    ]
    note = NOTE.format(**{**vars(given), "particles": len(places)}, pixel=PIXEL_SIZE, box=spectrum.box)
    parts = [heading("Micrographs", CPU), note, markdown_table(["", "seconds", "times frazil's"], rows)]
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
