"""Electrostatic potential of a molecule, from its atoms."""

from collections.abc import Sequence

import gemmi
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import fourier_transform, frequency_grid, inverse_fourier_transform
from frazil.physics.envelope import b_factor_envelope

_OVERSAMPLING = 2  # atoms are spread on a grid this much finer, on which their Gaussians do not alias
_REACH = 4.5  # Gaussians are spread to this many standard deviations: 4e-5 of the peak
_VALUES_AT_ONCE = 4_000_000


def scattering_coefficients(elements: Sequence[str]) -> Float[Tensor, "atoms 2 5"]:
    """Amplitudes a_i (angstrom) and widths b_i (angstrom^2) of each atom's electron scattering factor.

    f(k) = sum_i a_i exp(-b_i k^2 / 4), k in 1/angstrom: Peng et al., Acta Cryst. A52:257 (1996), as in
    International Tables C, table 4.3.2.2. Raises ValueError for an element that table does not have.
    """
    known = {}
    for name in sorted(set(elements)):
        element = gemmi.Element(name)
        if element.atomic_number == 0 or element.c4322 is None:
            atom = list(elements).index(name)
            raise ValueError(f"element {name!r} of atom {atom} has no electron scattering factor")
        known[name] = torch.tensor([element.c4322.a, element.c4322.b])
    return torch.stack([known[name] for name in elements])


def resolution_b_factor(resolution: float) -> float:
    """B-factor in angstrom^2 of the Gaussian low-pass that falls to 1/e at `resolution` angstrom."""
    return 4 * resolution**2


def low_pass(
    volume: Float[Tensor, "box box box"], pixel_size: float, resolution: float
) -> Float[Tensor, "box box box"]:
    """Volume seen through a Gaussian low-pass that falls to 1/e at `resolution` angstrom."""
    box = volume.shape[-1]
    frequency = frequency_grid(box, pixel_size, 3, device=volume.device, dtype=volume.dtype)
    b_factor = volume.new_tensor(resolution_b_factor(resolution))
    envelope = b_factor_envelope(b_factor, frequency.square().sum(-1))
    return inverse_fourier_transform(fourier_transform(volume, 3) * envelope, box, 3)


def cut_off(volume: Float[Tensor, "box box box"], pixel_size: float, resolution: float) -> Float[Tensor, "box box box"]:
    """The same without any detail finer than that."""
    box = volume.shape[-1]
    frequency = frequency_grid(box, pixel_size, 3, device=volume.device, dtype=volume.dtype).norm(dim=-1)
    spectrum = fourier_transform(low_pass(volume, pixel_size, resolution), 3)
    return inverse_fourier_transform(spectrum * (frequency * resolution <= 1), box, 3)


def centre_of_mass(positions: Float[Tensor, "atoms 3"], elements: Sequence[str]) -> Float[Tensor, "3"]:
    """Mean position (xyz) of the atoms, each weighted by its scattering in the forward direction, f(0)."""
    weight = scattering_coefficients(elements)[:, 0].sum(-1).to(positions)
    return (weight[:, None] * positions).sum(0) / weight.sum()


def potential_from_atoms(
    positions: Float[Tensor, "atoms 3"],
    elements: Sequence[str],
    b_factors: Float[Tensor, " atoms"],
    box: int,
    pixel_size: float,
    resolution: float | None = None,
) -> Float[Tensor, "box box box"]:
    """Potential of atoms, its centre of mass at the centre of the box.

    `positions` are xyz in angstrom. Without `resolution` everything below Nyquist is kept; with it, a
    Gaussian low-pass falls to 1/e there. The sum over voxels times a voxel's volume is the sum of f(0); times
    47.88 V angstrom^2 the map is in volts (Doyle & Turner, Acta Cryst. A24:390, 1968). Raises ValueError
    where an atom lies outside the box.
    """
    coefficients = scattering_coefficients(elements).to(positions)
    centred = positions - centre_of_mass(positions, elements)
    blur = 0.0 if resolution is None else resolution_b_factor(resolution)
    width = coefficients[:, 1] + (b_factors.to(positions) + blur)[:, None]
    return deposit_gaussians(centred, coefficients[:, 0], width, box, pixel_size)


def deposit_gaussians(
    positions: Float[Tensor, "count 3"],
    amplitudes: Float[Tensor, "count terms"],
    b_factors: Float[Tensor, "count terms"],
    box: int,
    pixel_size: float,
) -> Float[Tensor, "box box box"]:
    """Sum of Gaussians a (4 pi / B)^(3/2) exp(-4 pi^2 r^2 / B), exact below Nyquist and zero beyond.

    `positions` are xyz in angstrom from the centre of the box. The Gaussians are widened, spread on a finer
    grid, cropped in Fourier space and narrowed again there (Greengard & Lee, SIAM Rev. 46:443, 2004).
    """
    _check_inside(positions, box, pixel_size)
    fine_pixel = pixel_size / _OVERSAMPLING
    spread = 8 * torch.pi**2 * fine_pixel**2  # the B-factor of a Gaussian of one fine pixel
    widened = (b_factors + spread) / fine_pixel**2
    fine = _spread(positions / fine_pixel, amplitudes, widened, box * _OVERSAMPLING)
    return _narrow_and_crop(fine / fine_pixel**3, box, spread / pixel_size**2)


def _check_inside(positions: Tensor, box: int, pixel_size: float) -> None:
    reach = positions.abs().max().item()
    if reach > box * pixel_size / 2:
        raise ValueError(
            f"the model reaches {reach:.1f} angstrom from its centre along an axis, but a box of {box} px at "
            f"{pixel_size:g} angstrom holds {box * pixel_size / 2:.1f}"
        )


def _spread(positions: Tensor, amplitudes: Tensor, b_factors: Tensor, box: int) -> Tensor:
    """Gaussians, in units of the pixel, summed on a periodic grid whose origin is its first voxel."""
    sigma = (b_factors.amax(-1) / (8 * torch.pi**2)).sqrt()
    order = sigma.argsort(descending=True)
    grid = positions.new_zeros(box**3)
    while len(order):
        # The widest of those left says how far all of a batch are spread.
        reach = int(torch.ceil(_REACH * sigma[order[0]]))
        size = max(1, _VALUES_AT_ONCE // (2 * reach + 1) ** 3)
        batch, order = order[:size], order[size:]
        index, values = _stamps(positions[batch], amplitudes[batch], b_factors[batch], reach, box)
        grid.index_add_(0, index.flatten(), values.flatten())
    return grid.view(box, box, box)


def _stamps(positions: Tensor, amplitudes: Tensor, b_factors: Tensor, reach: int, box: int) -> tuple[Tensor, Tensor]:
    """Flat voxel indices and values of each atom's Gaussians, summed over its terms."""
    nearest = positions.round()
    voxel = nearest[:, :, None] + torch.arange(-reach, reach + 1, device=positions.device)
    distance = voxel - positions[:, :, None]
    width = b_factors[:, :, None, None]
    profile = (4 * torch.pi / width).sqrt() * torch.exp(-4 * torch.pi**2 * distance[:, None].square() / width)
    x, y, z = profile.unbind(2)  # each (atoms, terms, window)
    plane = ((amplitudes[..., None] * z)[..., :, None] * y[..., None, :]).flatten(2)
    values = (plane.transpose(1, 2) @ x).unflatten(1, (z.shape[-1], y.shape[-1]))
    x_index, y_index, z_index = voxel.long().remainder(box).unbind(1)
    index = (z_index[:, :, None] * box + y_index[:, None, :])[..., None] * box + x_index[:, None, None, :]
    return index, values


def _narrow_and_crop(fine: Tensor, box: int, b_factor: float) -> Tensor:
    """Fourier-crop a grid with its origin at the first voxel and undo a Gaussian widening, axis by axis.

    Axis by axis, the largest spectrum in memory is half the fine grid.
    """
    # The Nyquist frequency of an even box has no partner of the opposite sign: dropped, as in fourier_crop.
    keep = (box - 1) // 2
    scale = box / fine.shape[-1]
    spectrum: Tensor = fine
    for axis in (2, 1, 0):
        if axis == 2:
            spectrum = torch.fft.rfft(spectrum, dim=axis).narrow(axis, 0, box // 2 + 1)
            frequency = torch.fft.rfftfreq(box, device=fine.device, dtype=fine.dtype)
        else:
            spectrum = torch.fft.fft(spectrum, dim=axis)
            low, high = spectrum.narrow(axis, 0, box - box // 2), spectrum.narrow(axis, -(box // 2), box // 2)
            spectrum = torch.cat([low, high], dim=axis)
            frequency = torch.fft.fftfreq(box, device=fine.device, dtype=fine.dtype)
        factor = scale * torch.exp(b_factor / 4 * frequency.square()) * (frequency.abs() * box < keep + 0.5)
        spectrum = spectrum * factor.view([-1 if a == axis else 1 for a in range(3)])
    return inverse_fourier_transform(spectrum, box, 3)
