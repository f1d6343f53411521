"""The images whose poses are inferred, and all that a likelihood takes of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.geometry import fourier_transform, frequency_grid, shell_average
from frazil.inference.likelihood import FourierDisc, Observed
from frazil.physics import CTF, evaluate_ctf

_SAMPLE = 1000  # images whose power is the noise's as long as nothing better is known


@dataclass(frozen=True)
class ParticleImages:
    """Images read as they are asked for, and how they were taken."""

    images: Callable[[Int[Tensor, " batch"]], Float[Tensor, "batch box box"]]
    """Images of some rows."""
    ctf: CTF | None
    count: int
    box: int
    pixel_size: float

    def observe(self, rows: Int[Tensor, " batch"], disc: FourierDisc) -> Observed:
        """Some images at the disc's frequencies, on its device."""
        images = self.images(rows.cpu()).to(disc.frequency)
        return Observed(fourier_transform(images)[:, disc.inside], self.transfer(rows, disc))

    def transfer(self, rows: Int[Tensor, " batch"], disc: FourierDisc) -> Float[Tensor, "batch points"]:
        """What the lens made of each of the disc's frequencies in some images."""
        if self.ctf is None:
            return disc.weight.new_ones(len(rows), len(disc.weight))
        like = disc.frequency
        frequency = frequency_grid(self.box, self.pixel_size, device=like.device, dtype=like.dtype)
        return evaluate_ctf(self.ctf[rows], frequency)[:, disc.inside]

    def mean_power(self) -> Float[Tensor, " shells"]:
        """Power by shell of the first images: little but noise."""
        sample = self.images(torch.arange(min(_SAMPLE, self.count)))
        return shell_average(fourier_transform(sample).abs().square().mean(0), self.box)

    def to(self, device: torch.device) -> "ParticleImages":
        """The same with the CTF on a device; images follow batch by batch."""
        return replace(self, ctf=None if self.ctf is None else self.ctf.to(device))
