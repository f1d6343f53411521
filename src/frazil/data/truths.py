"""The true maps of a simulated data set, and which image shows which."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from frazil.data.heterogeneity import Heterogeneity
from frazil.data.particle_files import STRUCTURES
from frazil.data.specimens import Specimen
from frazil.io import write_map


@dataclass(frozen=True)
class Truth:
    """One structure of a data set."""

    path: Path
    """Its map."""
    images: range
    """Those that show it, counted from 0."""
    radius: float
    """Angstrom, from the centre to the farthest point."""
    latent: float
    what: str


def write_truths(out: Path, specimens: Iterable[Specimen], how: Heterogeneity, count: int) -> list[Truth]:
    """Write the map of each structure, and their mean as `count` images have it; each has an equal share of them."""
    several = how.heterogeneity != "none"
    truths, mean = [], torch.zeros(())
    for place, specimen in enumerate(specimens):
        path = out / (f"{STRUCTURES}/{place + 1:03d}.mrc" if several else "truth.mrc")
        images = range(count * place // how.count, count * (place + 1) // how.count)
        path.parent.mkdir(exist_ok=True)
        write_map(path, specimen.volume, specimen.pixel_size)
        truths.append(Truth(path, images, specimen.radius, specimen.latent, specimen.what))
        mean = mean + specimen.volume * len(images) / count
    if several:
        write_map(out / "truth.mrc", mean, specimen.pixel_size)
    return truths


def latent_columns(truths: Sequence[Truth], how: Heterogeneity) -> dict[str, np.ndarray]:
    """Which structure each image shows, and what tells that one from the others; no columns where all are alike."""
    if how.heterogeneity == "none":
        return {}
    counts = [len(truth.images) for truth in truths]
    number, latent = np.arange(1, len(truths) + 1), np.array([truth.latent for truth in truths])
    return {"rlnClassNumber": np.repeat(number, counts), "frazilTrueLatent": np.repeat(latent, counts)}


def describe_truths(truths: Sequence[Truth], how: Heterogeneity) -> str:
    """The maps in words, for the data set's README."""
    radius = f"{max(truth.radius for truth in truths):.0f} angstrom from its centre to its farthest point."
    if how.heterogeneity == "none":
        return f"the volume they were made from, {radius}"
    return "\n".join(
        [
            f"the mean of the structures that they show, the largest {radius}",
            f"structures/     those structures ({how.heterogeneity}). rlnClassNumber is the number of the one that an",
            "                image shows, frazilTrueLatent what tells it from the others:",
            *(
                f"  {truth.path.name}  images {truth.images.start + 1} to {truth.images.stop}, {truth.what}"
                for truth in truths
            ),
        ]
    )
