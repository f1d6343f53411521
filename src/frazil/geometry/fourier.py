"""Fourier transforms whose origin is the centre of the box, `size // 2`, on every axis.

Spectra have the layout of `torch.fft.rfftn`: zero frequency first, only x >= 0 on the last axis.
"""

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor


def _axes(ndim: int) -> tuple[int, ...]:
    return tuple(range(-ndim, 0))


def fourier_transform(image: Float[Tensor, "..."], ndim: int = 2) -> Complex[Tensor, "..."]:
    """Fourier transform over the last `ndim` axes with the phase origin at `size // 2`."""
    return torch.fft.rfftn(torch.fft.ifftshift(image, dim=_axes(ndim)), dim=_axes(ndim))


def inverse_fourier_transform(spectrum: Complex[Tensor, "..."], box: int, ndim: int = 2) -> Float[Tensor, "..."]:
    """Real image of side `box` whose centre is at `size // 2`; the inverse of `fourier_transform`."""
    image = torch.fft.irfftn(spectrum, s=(box,) * ndim, dim=_axes(ndim))
    return torch.fft.fftshift(image, dim=_axes(ndim))


def frequency_grid(
    box: int,
    pixel_size: float = 1.0,
    ndim: int = 2,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "... ndim"]:
    """Spatial frequencies in 1/angstrom of a spectrum; the last axis holds x, y (, z)."""
    # Rounded once: an error of 1e-7 in the frequency is one of 1e-4 in the CTF far from focus.
    full = torch.fft.fftfreq(box, pixel_size, dtype=torch.float64, device=device).to(dtype)
    half = torch.fft.rfftfreq(box, pixel_size, dtype=torch.float64, device=device).to(dtype)
    axes = torch.meshgrid(*([full] * (ndim - 1)), half, indexing="ij")
    return torch.stack(axes[::-1], dim=-1)


def rectangle_frequency(size: tuple[int, int], pixel_size: float = 1.0) -> Float[Tensor, "y half xy"]:
    """Spatial frequencies in 1/angstrom of the spectrum (`torch.fft.rfft2`) of a field of (x, y) pixels."""
    across, down = size
    x = torch.fft.rfftfreq(across, pixel_size, dtype=torch.float64).float()
    y = torch.fft.fftfreq(down, pixel_size, dtype=torch.float64).float()
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)


def shell_index(box: int, ndim: int = 2, *, device: torch.device | str | None = None) -> Int[Tensor, "..."]:
    """Fourier shell of each entry of a spectrum: its frequency in units of 1 / box, rounded."""
    frequency = frequency_grid(box, 1 / box, ndim, device=device, dtype=torch.float64)
    return frequency.norm(dim=-1).round().long()


def hermitian_weight(
    box: int, *, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Float[Tensor, " half"]:
    """How often each x column of a half spectrum stands in the full one: once at 0 and Nyquist, else twice."""
    weight = torch.full((box // 2 + 1,), 2.0, device=device, dtype=dtype)
    weight[0] = 1.0
    if box % 2 == 0:
        weight[-1] = 1.0
    return weight


def shell_sum(values: Float[Tensor, "..."], box: int, ndim: int = 2) -> Float[Tensor, "... shells"]:
    """Sum over the full Fourier shells 0 ... box // 2 of real values given on a half spectrum."""
    shell = shell_index(box, ndim, device=values.device).flatten()
    weighted = (values * hermitian_weight(box, device=values.device, dtype=values.dtype)).flatten(-ndim)
    inside = shell <= box // 2
    sums = values.new_zeros((*weighted.shape[:-1], box // 2 + 1))
    return sums.index_add(-1, shell[inside], weighted[..., inside])


def shell_average(values: Float[Tensor, "..."], box: int, ndim: int = 2) -> Float[Tensor, "... shells"]:
    """Mean over the full Fourier shells 0 ... box // 2 of real values given on a half spectrum."""
    ones = values.new_ones((box,) * (ndim - 1) + (box // 2 + 1,))
    return shell_sum(values, box, ndim) / shell_sum(ones, box, ndim)


def _copy_low_frequencies(source: Tensor, target: Tensor, ndim: int) -> None:
    """Copy the frequencies both spectra hold, both signs; the shared size is the smaller box's."""
    small = min(source.shape[-2], target.shape[-2])
    positive, negative = (small + 1) // 2, small // 2
    columns = min(source.shape[-1], target.shape[-1])
    parts = [slice(0, positive), slice(-negative, None)]
    for rows in torch.cartesian_prod(*[torch.arange(2)] * (ndim - 1)).reshape(-1, ndim - 1).tolist():
        index = (..., *[parts[row] for row in rows], slice(0, columns))
        target[index] = source[index]


def fourier_crop(image: Float[Tensor, "..."], box: int, ndim: int = 2) -> Float[Tensor, "..."]:
    """Resample to side `box` by cropping (or zero-padding) the spectrum; the mean is preserved.

    The Nyquist frequency of an even box has no partner of the opposite sign in a larger one, so it is dropped.
    """
    old = image.shape[-1]
    if box == old:
        return image
    spectrum = fourier_transform(image, ndim)
    small = min(box, old)
    if small % 2 == 0:
        frequency = frequency_grid(old, 1.0, ndim, device=image.device, dtype=torch.float64)
        spectrum = spectrum * (frequency.abs().amax(-1) * old < small / 2 - 1e-6)
    shape = (*image.shape[:-ndim], *(box,) * (ndim - 1), box // 2 + 1)
    cropped = spectrum.new_zeros(shape)
    _copy_low_frequencies(spectrum, cropped, ndim)
    return inverse_fourier_transform(cropped, box, ndim) * (box / old) ** ndim


def fourier_resize(field: Float[Tensor, "y x"], size: tuple[int, int]) -> Float[Tensor, "_rows _columns"]:
    """A field of view resampled to fewer (x, y) pixels, whose edges are its edges, by cropping the spectrum.

    Where its pixels are n times as wide, the first one covers the first n.
    """
    (height, width), (across, down) = field.shape, size
    spectrum = torch.fft.rfft2(field)
    frequency = rectangle_frequency((width, height))
    # From the centre of the first pixel to that of the first wide one.
    moved = torch.tensor([(width / across - 1) / 2, (height / down - 1) / 2])
    spectrum = spectrum * phase_ramp(-moved, frequency.flatten(0, 1)).unflatten(0, frequency.shape[:2])
    rows = torch.cat([torch.arange((down + 1) // 2), torch.arange(height - down // 2, height)])
    cropped = spectrum[rows, : across // 2 + 1]
    return torch.fft.irfft2(cropped, s=(down, across)) * (across * down / (width * height))


def phase_ramp(
    shift_pixels: Float[Tensor, "*batch ndim"], frequency: Float[Tensor, "points ndim"]
) -> Complex[Tensor, "*batch points"]:
    """What moves an image by x, y (, z) pixels, at some frequencies in cycles per pixel (Fourier shift theorem)."""
    # Not a matrix product: autocast and TF32 would round the phase.
    turns = (frequency * shift_pixels[..., None, :]).sum(-1)
    return torch.polar(torch.ones_like(turns), -2 * torch.pi * turns)


def shift_phase(shift_pixels: Float[Tensor, "*batch ndim"], box: int, ndim: int = 2) -> Complex[Tensor, "..."]:
    """Phase ramp that moves an image by x, y (, z) pixels, over a whole half spectrum."""
    frequency = frequency_grid(box, 1.0, ndim, device=shift_pixels.device, dtype=shift_pixels.dtype)
    return phase_ramp(shift_pixels, frequency.flatten(0, -2)).unflatten(-1, frequency.shape[:-1])


def filter_field(field: Float[Tensor, "y x"], transfer: Float[Tensor, "y half"]) -> Float[Tensor, "y x"]:
    """A field whose Fourier coefficients are multiplied, on the grid of `rectangle_frequency`."""
    return torch.fft.irfft2(torch.fft.rfft2(field) * transfer, s=field.shape)


def on_rectangle(curve: Float[Tensor, "points 2"], size: tuple[int, int], pixel_size: float) -> Float[Tensor, "y half"]:
    """A curve of spatial frequency (1/angstrom, rising) and value, at the frequencies of a field of (x, y) pixels.

    Linear between its points; the first and last values stand for what lies outside.
    """
    frequency = rectangle_frequency(size, pixel_size).norm(dim=-1).to(curve)
    at, value = curve.T.contiguous()
    right = torch.searchsorted(at, frequency.contiguous()).clamp(1, len(at) - 1)
    part = ((frequency - at[right - 1]) / (at[right] - at[right - 1])).clamp(0, 1)
    return torch.lerp(value[right - 1], value[right], part)


def half_plane_mean(values: Float[Tensor, "y half"], width: int) -> float:
    """Mean over the whole plane of what is the same at opposite frequencies, from the half of it that `rfft2` gives."""
    both = torch.full((values.shape[-1],), 2.0)
    both[0] = 1
    if width % 2 == 0:
        both[-1] = 1
    return float((values.double() * both.to(values)).sum()) / (values.shape[-2] * width)
