"""The search behind map alignment: Fourier coefficients compared over rotations, shifts and both hands.

Everything is in units of the box: frequencies in cycles per box, shifts in boxes. A motion takes the moving map to
the reference, F_moved(k) = exp(-2 pi i k.t) F(Q^T k), with Q a rotation or, det Q = -1, one after the mirror z -> -z.
"""

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from frazil.geometry import (
    Batched,
    centred_coordinates,
    fourier_transform,
    frequency_grid,
    hermitian_weight,
    shell_index,
)
from frazil.physics.projection import padded_spectrum

# Two noise-free maps differ by the error of interpolation; without a bound the highest shells would outvote all others.
_HIGHEST_CORRELATION = 0.97
_GRID = 16  # shifts tried on each axis of the exhaustive search


@dataclass(frozen=True)
class Coefficients(Batched):
    """Fourier coefficients of the reference on one half of each shell."""

    frequency: Float[Tensor, "points 3"]
    shell: Int[Tensor, " points"]
    weight: Float[Tensor, " points"]
    value: Complex[Tensor, " points"]

    def up_to(self, shell: int) -> "Coefficients":
        """Those of the shells 1 to `shell`."""
        return self[self.shell <= shell]

    def sums(self, values: Float[Tensor, "*batch points"]) -> Float[Tensor, "*batch shells"]:
        """Sum over each shell."""
        shells = int(self.shell.max()) + 1
        return values.new_zeros(*values.shape[:-1], shells).index_add(-1, self.shell, values * self.weight)

    def amplitude(self, values: Complex[Tensor, "*batch points"]) -> Float[Tensor, "*batch points"]:
        """Root mean square of the shell that each point is on."""
        count = self.sums(torch.ones_like(self.weight)).clamp(min=1)
        mean = self.sums(values.abs().square()) / count
        return mean.sqrt().clamp(min=1e-20)[..., self.shell]


@dataclass(frozen=True)
class Candidates(Batched):
    """Motions with what is known of each."""

    matrix: Float[Tensor, "batch 3 3"]
    shift: Float[Tensor, "batch 3"]
    score: Float[Tensor, " batch"]

    def best_apart(self, count: int, angle: float) -> "Candidates":
        """The `count` of highest score, each at least `angle` degrees from any better one."""
        ranked = self[self.score.argsort(descending=True)]
        free = torch.ones(len(ranked), dtype=torch.bool, device=self.score.device)
        trace = 1 + 2 * torch.cos(torch.deg2rad(torch.tensor(angle))).item()
        chosen: list[int] = []
        while len(chosen) < count and bool(free.any()):
            chosen.append(int(free.int().argmax()))
            near = torch.einsum("nij,ij->n", ranked.matrix, ranked.matrix[chosen[-1]]) > trace
            free &= ~near
            free[chosen[-1]] = False
        return ranked[torch.tensor(chosen, device=self.score.device)]


@dataclass(frozen=True)
class _Climber(Batched):
    """A candidate with the slope and the curvature of its score in rotation vector and shift."""

    matrix: Float[Tensor, "batch 3 3"]
    shift: Float[Tensor, "batch 3"]
    score: Float[Tensor, " batch"]
    slope: Float[Tensor, "batch 6"]
    curvature: Float[Tensor, "batch 6 6"]

    def replaced_where(self, better: Tensor, other: "_Climber") -> "_Climber":
        """This one, with the better rows of another."""
        rows = zip(vars(other).values(), vars(self).values(), strict=True)
        return _Climber(*(torch.where(better.view(-1, *[1] * (new.ndim - 1)), new, old) for new, old in rows))


def reference_coefficients(volume: Float[Tensor, "box box box"], last_shell: int) -> Coefficients:
    """Coefficients of the reference map on the shells 1 to `last_shell`."""
    box, device = volume.shape[-1], volume.device
    spectrum, shell = fourier_transform(volume, 3), shell_index(box, 3, device=device)
    inside = (shell >= 1) & (shell <= last_shell)
    weight = hermitian_weight(box, device=device).expand(spectrum.shape)
    frequency = frequency_grid(box, 1 / box, 3, device=device).round()
    return Coefficients(frequency[inside], shell[inside], weight[inside], spectrum[inside])


def moving_spectra(volume: Float[Tensor, "box box box"], last_shell: int) -> Float[Tensor, "1 8 rows rows half"]:
    """Finely sampled spectra of f, x f, y f and z f, real parts first: F and its gradient at any frequency.

    Rows run from -last to last, in half steps.
    """
    box = volume.shape[-1]
    position = centred_coordinates(box, 3, device=volume.device) / box
    fields = torch.stack([volume, *(volume * position[..., axis] for axis in range(3))])
    last = min(2 * last_shell + 2, box - 1)
    rows = slice(box - last, box + last + 1)
    return padded_spectrum(fields)[..., rows, rows, : last + 1].movedim(1, 0).flatten(0, 1)[None].contiguous()


def _sample(
    spectra: Float[Tensor, "1 channels rows rows half"], frequency: Float[Tensor, "*points 3"]
) -> Complex[Tensor, " fields *points"]:
    """Spectra at any frequency, trilinear; the half with x < 0 is the conjugate of the other."""
    sign = torch.where(frequency[..., 0] < 0, -1.0, 1.0)
    place = frequency * sign[..., None] * (2 / (spectra.shape[-1] - 1))
    place = torch.stack([2 * place[..., 0] - 1, place[..., 1], place[..., 2]], dim=-1)
    grid = place.reshape(1, 1, 1, -1, 3)
    values = torch.nn.functional.grid_sample(spectra, grid, align_corners=True)
    real, imaginary = values.reshape(-1, *frequency.shape[:-1]).chunk(2)
    return torch.complex(real, imaginary * sign)


def exhaustive_search(
    spectra: Float[Tensor, "1 8 rows rows half"],
    reference: Coefficients,
    matrices: Float[Tensor, "count 3 3"],
) -> Candidates:
    """Best shift of each rotation, and the whitened correlation there.

    Whitened, because the lowest shells, which hold nearly all the power, hardly tell one rotation from another.
    """
    density = spectra[:, [0, 4]].contiguous()
    whitening = 1 / (
        reference.amplitude(reference.value) * reference.amplitude(_sample(density, reference.frequency)[0])
    )
    target = reference.value * whitening
    place = reference.frequency.long() % _GRID
    flat = (place[:, 2] * _GRID + place[:, 1]) * (_GRID // 2 + 1) + place[:, 0]
    found = []
    for batch in matrices.split(512):
        value = _sample(density, reference.frequency @ batch)[0]
        size = (value.abs().square() * whitening * reference.weight).sum(-1).sqrt().clamp(min=1e-20)
        product = value.new_zeros(len(batch), _GRID * _GRID * (_GRID // 2 + 1))
        product[:, flat] = value.conj() * target
        product = product.view(-1, _GRID, _GRID, _GRID // 2 + 1)
        surface = torch.fft.irfftn(product, s=(_GRID,) * 3, dim=(1, 2, 3), norm="forward").flatten(1)
        best, at = surface.max(dim=1)
        shift = torch.stack([at % _GRID, at // _GRID % _GRID, at // _GRID**2], dim=-1)
        shift = (shift - _GRID * (shift >= _GRID // 2)) / _GRID
        found.append(Candidates(batch, shift, best / size))
    return Candidates(*(torch.cat(column) for column in zip(*(vars(part).values() for part in found), strict=True)))


def climb(
    spectra: Float[Tensor, "1 8 rows rows half"],
    reference: Coefficients,
    candidates: Candidates,
    steps: int,
) -> Candidates:
    """Candidates moved to the nearest maximum of the score (Levenberg-Marquardt, all at once)."""
    climber = _evaluate(spectra, reference, candidates.matrix, candidates.shift)
    damping = torch.full_like(climber.score, 1e-2)
    for _ in range(steps):
        scale = climber.curvature.diagonal(dim1=-2, dim2=-1)
        ridge = torch.diag_embed(scale * damping[:, None] + 1e-9)
        step = torch.linalg.solve(climber.curvature + ridge, climber.slope)
        matrix = roma.rotvec_to_rotmat(step[:, :3]) @ climber.matrix
        trial = _evaluate(spectra, reference, matrix, climber.shift + step[:, 3:])
        better = trial.score > climber.score
        climber = climber.replaced_where(better, trial)
        damping = torch.where(better, damping / 5, damping * 8)
    return Candidates(climber.matrix, climber.shift, climber.score)


def _evaluate(
    spectra: Float[Tensor, "1 8 rows rows half"],
    reference: Coefficients,
    matrix: Float[Tensor, "batch 3 3"],
    shift: Float[Tensor, "batch 3"],
) -> _Climber:
    """Score of each motion: the log-likelihood -sum_k log(1 - FSC_k^2) of shells that share Gaussian signal.

    So each shell weighs as much as its own correlation says, with no resolution to choose.
    """
    k = reference.frequency
    turns = -2 * torch.pi * shift @ k.T
    fields = _sample(spectra, k @ matrix) * torch.polar(torch.ones_like(turns), turns)
    size = reference.amplitude(fields[0])
    moved, target = fields[0] / size, reference.value / reference.amplitude(reference.value)
    count = reference.sums(torch.ones_like(reference.weight))
    correlation = reference.sums((moved * target.conj()).real) / count.clamp(min=1)
    shared = correlation.clamp(0, 1) * _HIGHEST_CORRELATION
    score = -(count * torch.log1p(-shared.square())).sum(-1)

    # d F_moved / d rotation vector = g x k with g = Q grad F (Q^T k), and grad F is the transform of -2 pi i x f(x).
    gradient = torch.einsum("bij,jbp->bpi", matrix.to(fields.dtype), fields[1:]) / size[..., None]
    turning = torch.linalg.cross(gradient, k.to(fields.dtype).expand_as(gradient))
    jacobian = -2j * torch.pi * torch.cat([turning, k * moved[..., None]], dim=-1)
    rho = shared[:, reference.shell]
    weight = reference.weight * rho / (1 - rho.square())
    real, residual = torch.view_as_real(jacobian), torch.view_as_real(target - rho * moved)
    slope = torch.einsum("bpic,bpc,bp->bi", real, residual, weight)
    curvature = torch.einsum("bpic,bpjc,bp->bij", real, real, weight * rho)
    return _Climber(matrix, shift, score, slope, curvature)


def correlation_coefficient(
    spectra: Float[Tensor, "1 8 rows rows half"], reference: Coefficients, candidates: Candidates
) -> Float[Tensor, " batch"]:
    """Correlation of each moved map with the reference over all the shells given."""
    k = reference.frequency
    turns = -2 * torch.pi * candidates.shift @ k.T
    moved = _sample(spectra[:, [0, 4]], k @ candidates.matrix)[0] * torch.polar(torch.ones_like(turns), turns)
    weight = reference.weight
    cross = ((moved * reference.value.conj()).real * weight).sum(-1)
    power = (moved.abs().square() * weight).sum(-1) * (reference.value.abs().square() * weight).sum()
    return cross / power.sqrt().clamp(min=1e-20)
