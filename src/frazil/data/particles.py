"""Real particle images as the methods need them: cropped, normalised, protein positive."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from frazil.data.contrast import contrast_sign
from frazil.data.ctf_columns import ctf_of_table, missing_ctf_columns
from frazil.geometry import Pose, centred_coordinates, fourier_crop
from frazil.io import (
    ParticleTable,
    TableImages,
    fingerprint,
    fingerprint_of_ends,
    open_images,
    read_particles,
    with_sizes,
)
from frazil.physics import CTF

Contrast = Literal["dark", "light", "auto"]
Rows = Sequence[int] | np.ndarray | Int[Tensor, " batch"]

_DEFAULT_RADIUS = 0.375  # of the box: RELION's default background circle, 75 % of the box across
_CONTRAST_SAMPLE, _CONTRAST_BOX = 1000, 32
_SIGNAL_SAMPLE = 1000
_CHUNK_BYTES = 2**26


@dataclass(frozen=True)
class Support:
    """Where a particle may be, in angstrom: the sphere that holds it, and how far its centre is from the box's."""

    radius: float
    max_shift: float

    @property
    def reach(self) -> float:
        """Radius of the circle in which the particle lies wherever it is in the image."""
        return self.radius + self.max_shift


@dataclass(frozen=True)
class Particles:
    """Particle images read when asked for, as many as there are, never all at once unless by `load`."""

    table: ParticleTable
    source: TableImages
    radius: float
    """Radius in angstrom beyond which an image is background."""
    sign: float
    """-1 where protein is dark in the file, so that it is positive in `images`."""

    def __len__(self) -> int:
        return len(self.table)

    @property
    def box(self) -> int:
        """Side of the images in the file, in pixels."""
        return self.source.box

    def pixel_size(self, box: int | None = None) -> float:
        """Pixel size in angstrom after cropping to `box` (default: as in the file)."""
        return self.source.pixel_size * self.box / (box or self.box)

    @property
    def ctf(self) -> CTF:
        """Contrast transfer function of each particle."""
        return ctf_of_table(self.table)

    @property
    def pose(self) -> Pose | None:
        """Orientation and position of each particle; None where the table has no angles."""
        return self.table.pose()

    def images(self, rows: Rows, box: int | None = None) -> Float[Tensor, "batch box box"]:
        """Images of the given rows, Fourier-cropped to `box`; background has mean 0 and standard deviation 1.

        Raises ValueError, naming the image, for one that is constant, holds NaN, or is flat outside the particle.
        """
        box = box or self.box
        if box > self.box:
            raise ValueError(f"{self.table.path}: box {box} is larger than its images, {self.box} pixels")
        rows = np.asarray(rows, np.int64)
        raw = torch.from_numpy(self.source.read(rows))
        self._refuse(rows, ~torch.isfinite(raw).all(-1).all(-1), "holds NaN or infinite values")
        self._refuse(rows, raw.amax((-1, -2)) == raw.amin((-1, -2)), "is constant")
        # The mean of a raw micrograph can be 10,000 times its contrast: away with it before single precision rounds.
        cropped = fourier_crop(raw - raw.mean((-1, -2), keepdim=True), box)
        ring = background_ring(box, self.pixel_size(box), self.radius)
        flat = cropped[:, ring].std(dim=1) < 1e-4 * cropped.std((-1, -2))
        self._refuse(rows, flat, f"is flat beyond {self.radius:g} angstrom from its centre: no background to go by")
        return self.sign * normalise_by_background(cropped, ring)

    def _refuse(self, rows: np.ndarray, bad: Bool[Tensor, " batch"], why: str) -> None:
        if bad.any():
            name = self.table.data["rlnImageName"].iloc[rows[int(bad.int().argmax())]]
            raise ValueError(f"{self.table.path}: image {name} {why}")

    def load(self, box: int | None = None) -> Float[Tensor, "batch box box"]:
        """All images in memory at `box`, read a few at a time: the file itself may be larger than memory."""
        box = box or self.box
        images = torch.empty(len(self), box, box)
        chunk = max(1, _CHUNK_BYTES // (4 * self.box**2))
        for start in range(0, len(self), chunk):
            stop = min(start + chunk, len(self))
            images[start:stop] = self.images(range(start, stop), box)
        return images

    def select(self, rows: Rows) -> "Particles":
        """The particles of the given rows, in that order."""
        rows = np.asarray(rows, np.int64)
        return replace(self, table=self.table.select(rows), source=self.source.select(rows))

    def signal_power(self, box: int) -> float:
        """Mean square of what the first images have inside the particle's circle and not outside, where it is 1."""
        images = self.images(range(min(_SIGNAL_SAMPLE, len(self))), box)
        inside = ~background_ring(box, self.pixel_size(box), self.radius)
        return float(images[:, inside].square().mean()) - 1

    def fingerprints(self) -> dict[Path, str]:
        """What each file holds that the images come from: its table whole, its stacks by their ends."""
        tables = {path: fingerprint(path) for path in (self.table.path, *self.table.beside)}
        return tables | {stack.path: fingerprint_of_ends(stack.path) for stack in self.source.stacks}

    def image_numbers(self) -> Int[Tensor, " rows"]:
        """Which image, from 0, each row is of: a table may name one in several rows, and in several ways."""
        file = pd.factorize(np.array([str(stack.path.resolve()) for stack in self.source.stacks], object))[0]
        image = np.stack([file[self.source.stack_of_row], self.source.place_of_row])
        return torch.from_numpy(pd.factorize(image[0] * (int(image[1].max(initial=0)) + 1) + image[1])[0])

    def half_sets(self, seed: int) -> np.ndarray:
        """Half set of each particle, 1 or 2: the table's own, or drawn evenly by `seed`; an image is in one alone."""
        if "rlnRandomSubset" in self.table.data:
            half = self.table.numbers("rlnRandomSubset").astype(np.int64)
            if set(half) != {1, 2}:
                found = ", ".join(map(str, sorted(set(half.tolist()))))
                raise ValueError(
                    f"{self.table.path}: rlnRandomSubset holds {found}, not 1 and 2; without that column half sets"
                    " are drawn by chance"
                )
            self._refuse_shared(half)
            return half
        if len(self) < 2:
            raise ValueError(f"{self.table.path}: half set 2 is empty; two halves are needed")
        image = self.image_numbers()
        order = torch.randperm(int(image.max()) + 1, generator=torch.Generator().manual_seed(seed))
        half = (order[image] % 2 + 1).numpy()
        if len(set(half)) < 2:
            raise ValueError(f"{self.table.path}: all rows name one image; two halves are needed")
        return half

    def _refuse_shared(self, half: np.ndarray) -> None:
        """ValueError for an image that is in both half sets."""
        image = self.image_numbers().numpy()
        apart = np.flatnonzero(half != pd.Series(half).groupby(image).transform("first").to_numpy())
        if len(apart):
            first = int((image == image[apart[0]]).argmax())
            name = self.table.data["rlnImageName"].iloc[first]
            raise ValueError(
                f"{self.table.path}: rows {first + 1} and {apart[0] + 1} name the same image, {name}, and"
                " rlnRandomSubset puts it into both half sets, which then share its noise"
            )


def open_particles(
    path: str | Path, contrast: Contrast = "auto", radius: float | None = None, lens: bool = True
) -> Particles:
    """Particles of a STAR or .cs file; every stack's header is checked, no image is kept.

    `radius`, in angstrom, is where the background begins (default 0.375 of the box). `contrast` says whether protein
    is dark or light in the file; auto measures it (`contrast_sign`) on up to 1,000 images, or refuses; through the
    table's lens, or through none.
    """
    table = read_particles(path)
    source = open_images(table)
    table = with_sizes(table, source)
    half_box = source.pixel_size * source.box / 2
    radius = 2 * _DEFAULT_RADIUS * half_box if radius is None else radius
    if not 0 < radius < half_box:
        raise ValueError(
            f"{table.path}: no particle of {2 * radius:g} angstrom in diameter has room in a box of {2 * half_box:g}"
        )
    light = Particles(table, source, radius, sign=1.0)
    sign = _measured_sign(light, lens) if contrast == "auto" else {"light": 1.0, "dark": -1.0}[contrast]
    return replace(light, sign=sign)


def _measured_sign(light: Particles, lens: bool) -> float:
    count = min(len(light), _CONTRAST_SAMPLE)
    rows = np.unique(np.linspace(0, len(light) - 1, count).round().astype(np.int64))
    sample = light.select(rows)
    box = min(_CONTRAST_BOX, light.box)
    ctf = sample.ctf if lens and not missing_ctf_columns(light.table) else None
    support = min(light.radius, _DEFAULT_RADIUS * light.box * light.pixel_size())
    # The scatter of a handful of images is no measure of their error.
    sign = contrast_sign(sample.load(box), ctf, light.pixel_size(box), support) if count >= 20 else None
    if sign is None:
        raise ValueError(
            f"{light.table.path}: {count} images do not tell whether protein is dark or light;"
            " give --contrast dark or --contrast light"
        )
    return sign


def background_ring(box: int, pixel_size: float, radius: float) -> Bool[Tensor, "box box"]:
    """Pixels farther than `radius` angstrom from the centre, the corners too."""
    return centred_coordinates(box, 2).norm(dim=-1) * pixel_size > radius


def normalise_by_background(
    images: Float[Tensor, "batch box box"], ring: Bool[Tensor, "box box"]
) -> Float[Tensor, "batch box box"]:
    """Images whose pixels in the ring have mean 0 and standard deviation 1."""
    count = ring.sum()  # a weight, for a GPU would be waited for to pick the pixels
    centred = images - ((images * ring).sum((-1, -2)) / count)[:, None, None]
    variance = (centred.square() * ring).sum((-1, -2)) / (count - 1)
    return centred / variance.sqrt()[:, None, None]
