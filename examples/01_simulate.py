"""Images of a molecule as the microscope gives them: a few as tensors, step by step, then many as files.

    python examples/01_simulate.py [--out runs/particles] [--images 10000] [--snr-db -5]

Takes less than a minute; the second example goes on from its files.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from matplotlib.image import imsave

from frazil.data import pseudo_protein
from frazil.metrics import fourier_shell_correlation
from frazil.physics import CTFRanges, ImagingPrior, TriangularShifts, UniformRotations, form_images, noise_std_for_snr
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles

BOX, PIXEL_SIZE = 32, 6.0  # lengths are in angstrom


@dataclass(frozen=True)
class Options:
    out: Path = Path("runs/particles")
    """Folder for a picture, the images, their table and the true volume."""
    images: int = 10_000
    """Images written to files."""
    snr_db: float = -5.0
    """10 log10(var(clean) / var(noise)); real particles have -5 to -20."""


def main(options: Options) -> None:
    # The specimen is a tensor (box, box, box), axes z y x: a made-up molecule; `frazil.io.read_map` reads others.
    volume = pseudo_protein(BOX, PIXEL_SIZE)

    # What an image is made under is data. A prior draws it from a generator of its own: the same seed, the same images.
    prior = ImagingPrior(UniformRotations(), TriangularShifts(3.0, BOX * PIXEL_SIZE), CTFRanges())
    generator = torch.Generator().manual_seed(0)
    conditions = prior.sample(6, generator)

    # The microscope: the volume is turned, projected and shifted, then seen through the lens, then there is noise.
    projections = form_images(volume, conditions.pose, None, PIXEL_SIZE)
    clean = form_images(volume, conditions.pose, conditions.ctf, PIXEL_SIZE)
    noisy = clean + noise_std_for_snr(clean, options.snr_db) * torch.randn(clean.shape, generator=generator)

    # To look at: projections above, clean images in the middle, noisy ones below; y points up.
    rows = [torch.cat(list(row / row.std()), dim=1) for row in (noisy, clean, projections)]
    picture = torch.cat(rows).repeat_interleave(4, 0).repeat_interleave(4, 1)
    options.out.mkdir(parents=True, exist_ok=True)
    imsave(options.out / "images.png", picture.numpy(), cmap="gray", vmin=-2, vmax=6, origin="lower")

    # How far two maps agree, by spatial frequency: here the volume twice, each time with noise of its own.
    one, other = (volume + volume.std() * torch.randn(volume.shape, generator=generator) for _ in range(2))
    fsc = fourier_shell_correlation(one, other, PIXEL_SIZE)
    print(f"two noisy copies of the volume agree to {fsc.resolution(0.143):.1f} angstrom (FSC 0.143)")

    # Many images, in files that RELION and cryoSPARC open, with the truth beside them: `frazil simulate particles`.
    count, snr_db = options.images, options.snr_db
    simulate_particles(SimulateParticles("pseudo-protein", options.out, BOX, PIXEL_SIZE, count, snr_db))
    print(f"to look at: {options.out / 'images.png'}; to reconstruct: {options.out / 'particles.star'}")


if __name__ == "__main__":
    main(tyro.cli(Options))
