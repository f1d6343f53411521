"""How likely a pose is: all that it takes of an image, and the products that give it for many poses at once.

The likelihood is that of white noise within each Fourier shell, y = C_c S_t P_theta x + n (Scheres, J. Mol. Biol.
415:406, 2012), against that of no particle at all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from frazil.geometry import Batched, frequency_grid, hermitian_weight, shell_index

Slices = Callable[[Float[Tensor, "rows n 3 3"], Float[Tensor, "points xy"]], Complex[Tensor, "rows n points"]]
"""The reference's slices at rotations and at frequencies in cycles per pixel. One row serves all images alike; with
as many rows as there are images, each has a reference of its own."""


@dataclass(frozen=True)
class FourierDisc:
    """The coefficients of a half spectrum up to a shell, without the mean."""

    inside: Bool[Tensor, "box half"]
    frequency: Float[Tensor, "points xy"]
    """Cycles per pixel."""
    shell: Int[Tensor, " points"]
    weight: Float[Tensor, " points"]
    """How often each stands in the full spectrum."""

    @classmethod
    def of(cls, last_shell: int, like: Float[Tensor, "*any box"]) -> "FourierDisc":
        """Shells 1 to `last_shell` of images of the box, the precision and the device of `like`."""
        box, device, dtype = like.shape[-1], like.device, like.dtype
        shell = shell_index(box, device=device)
        inside = (shell >= 1) & (shell <= min(last_shell, (box - 1) // 2))
        weight = hermitian_weight(box, device=device, dtype=dtype).expand(shell.shape)[inside]
        return cls(inside, frequency_grid(box, device=device, dtype=dtype)[inside], shell[inside], weight)

    def shell_means(self, sums: Float[Tensor, " shells"]) -> Float[Tensor, " shells"]:
        """Mean over each shell's coefficients, from their sum; 0 where the disc has none."""
        count = torch.zeros_like(sums).index_add_(0, self.shell, self.weight)
        return torch.where(count > 0, sums / count.clamp(min=1), 0.0)

    def up_to(self, last_shell: int) -> Bool[Tensor, " points"]:
        """Which of the points a smaller disc has."""
        return self.shell <= last_shell


@dataclass(frozen=True)
class Observed(Batched):
    """Images at the frequencies of a disc, and what the lens did there."""

    spectrum: Complex[Tensor, "batch points"]
    ctf: Float[Tensor, "batch points"]


@dataclass(frozen=True)
class Evidence(Batched):
    """All that the likelihood of a pose takes of an image."""

    matched: Complex[Tensor, "batch points"]
    """Spectrum times CTF, over the noise's power."""
    power: Float[Tensor, "batch points"]
    """CTF squared, over the noise's power."""

    @classmethod
    def of(cls, observed: Observed, disc: FourierDisc, noise: Float[Tensor, " shells"]) -> "Evidence":
        """From what was observed and the noise's power by shell."""
        precision = disc.weight / noise[disc.shell]
        return cls(observed.spectrum * observed.ctf * precision, observed.ctf.square() * precision)

    def at(self, points: Bool[Tensor, " points"]) -> "Evidence":
        """The same of fewer frequencies."""
        return Evidence(self.matched[:, points], self.power[:, points])


def log_likelihoods(cross: Float[Tensor, "*n"], size: Float[Tensor, "*m"], scaled: bool) -> Float[Tensor, "*n"]:
    """Of poses, from Re <y, C S P x> and |C P x|^2; with `scaled` false at the best contrast of each.

    In place: there are millions, and memory is what they wait for.
    """
    if scaled:
        return cross.sub_(size / 2)
    return cross.clamp_(min=0).mul_((2 * size.clamp(min=1e-20)).rsqrt()).square_()


@dataclass(frozen=True)
class SharedSlices:
    """Slices that all images are held against, by products of matrices; and, behind them, their conjugates."""

    real: Float[Tensor, "points n"]
    imaginary: Float[Tensor, "points n"]
    power: Float[Tensor, "points n"]

    @classmethod
    def of(cls, slices: Complex[Tensor, "n points"]) -> "SharedSlices":
        """Made ready for the products."""
        return cls(slices.real.T.contiguous(), slices.imag.T.contiguous(), slices.abs().square().T.contiguous())

    def products(
        self, moved: Complex[Tensor, "batch shifts points"], power: Float[Tensor, "batch points"]
    ) -> tuple[Float[Tensor, "batch both shifts"], Float[Tensor, "batch both"]]:
        """Of each image with each slice, and of the CTF's power with the slice's: Re(m F) and Re(m F*) share theirs."""
        real, imaginary = moved.real @ self.real, moved.imag @ self.imaginary
        count, size = real.shape[-1], power @ self.power
        both = real.new_empty(*real.shape[:-1], 2 * count)
        torch.sub(real, imaginary, out=both[..., :count])
        torch.add(real, imaginary, out=both[..., count:])
        return both.transpose(1, 2), torch.cat([size, size], -1)
