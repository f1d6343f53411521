"""The contrast transfer function: how the objective lens turns phase into contrast."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.geometry import Batched, fourier_transform, frequency_grid, inverse_fourier_transform
from frazil.physics.envelope import b_factor_envelope


@dataclass(frozen=True)
class CTF(Batched):
    """Parameters of the contrast transfer function of each image, all (batch,); positive defocus is underfocus."""

    defocus_u: Float[Tensor, " batch"]
    """Defocus along `astigmatism_deg`, angstrom; it need not be the larger of the two."""
    defocus_v: Float[Tensor, " batch"]
    """Defocus across it, angstrom."""
    astigmatism_deg: Float[Tensor, " batch"]
    """Angle from x to the direction of U, degrees."""
    voltage_kv: Float[Tensor, " batch"]
    cs_mm: Float[Tensor, " batch"]
    amplitude_contrast: Float[Tensor, " batch"]
    phase_shift_deg: Float[Tensor, " batch"]
    b_factor: Float[Tensor, " batch"]
    """Envelope exp(-B k^2 / 4), angstrom^2."""

    def at_depth(self, depth: Float[Tensor, "*any"]) -> "CTF":
        """The lens for what lies so many angstrom below what its defocus is that of."""
        return replace(self, defocus_u=self.defocus_u + depth, defocus_v=self.defocus_v + depth)


def make_ctf(
    defocus_u: Tensor,
    defocus_v: Tensor | None = None,
    *,
    voltage_kv: float = 300.0,
    cs_mm: float = 2.7,
    amplitude_contrast: float = 0.1,
) -> CTF:
    """CTF of images that share a microscope: no astigmatism unless V is given, no phase plate, no envelope."""

    def constant(value: float) -> Tensor:
        return torch.full_like(defocus_u, value)

    return CTF(
        defocus_u=defocus_u,
        defocus_v=defocus_u if defocus_v is None else defocus_v,
        astigmatism_deg=constant(0.0),
        voltage_kv=constant(voltage_kv),
        cs_mm=constant(cs_mm),
        amplitude_contrast=constant(amplitude_contrast),
        phase_shift_deg=constant(0.0),
        b_factor=constant(0.0),
    )


def electron_wavelength(voltage_kv: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Relativistic de Broglie wavelength in angstrom: 0.0197 at 300 kV (RELION's constants)."""
    volts = voltage_kv * 1e3
    return 12.2643247 / torch.sqrt(volts * (1 + volts * 0.978466e-6))


def evaluate_ctf(ctf: CTF, frequency: Float[Tensor, "*grid 2"]) -> Float[Tensor, " batch *grid"]:
    """Contrast transfer at each frequency (1/angstrom; x, y), protein positive: `ctf_phase`'s sine, and an envelope."""
    b_factor = ctf.b_factor.to(frequency.device, torch.float64).reshape(-1, *[1] * (frequency.dim() - 1))
    envelope = b_factor_envelope(b_factor, frequency.double().square().sum(-1))
    return (torch.sin(ctf_phase(ctf, frequency)) * envelope).to(frequency.dtype)


def ctf_phase(ctf: CTF, frequency: Float[Tensor, "*grid 2"]) -> Float[Tensor, " batch *grid"]:
    """Radians whose sine is the contrast transfer at each frequency (1/angstrom; x, y), in double precision.

    chi + asin(amplitude_contrast) + phase_shift with chi = pi lambda defocus k^2 - pi/2 Cs lambda^3 k^4 and the
    defocus along k of an astigmatic lens: RELION's formula and signs.
    """
    shape = (-1, *[1] * (frequency.dim() - 1))

    def column(values: Tensor) -> Tensor:
        return values.to(frequency.device, torch.float64).reshape(shape)

    # chi passes hundreds of radians at high defocus, where single precision is off by 4e-4.
    x, y = frequency[..., 0].double(), frequency[..., 1].double()
    square = x**2 + y**2
    angle = 2 * torch.deg2rad(column(ctf.astigmatism_deg))
    # k^2 cos 2(theta - angle) without theta: smooth at zero frequency and at zero astigmatism.
    astigmatism = torch.cos(angle) * (x**2 - y**2) + torch.sin(angle) * 2 * x * y
    mean = (column(ctf.defocus_u) + column(ctf.defocus_v)) / 2
    half_difference = (column(ctf.defocus_u) - column(ctf.defocus_v)) / 2
    wavelength = electron_wavelength(column(ctf.voltage_kv))
    cs = column(ctf.cs_mm) * 1e7
    chi = torch.pi * wavelength * (mean * square + half_difference * astigmatism)
    chi = chi - torch.pi / 2 * cs * wavelength**3 * square**2
    return chi + torch.asin(column(ctf.amplitude_contrast)) + torch.deg2rad(column(ctf.phase_shift_deg))


def phase_signs(transfer: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """-1 where the lens reverses contrast, 1 elsewhere."""
    one = torch.ones_like(transfer)
    return torch.where(transfer < 0, -one, one)


def phase_flip(
    images: Float[Tensor, "batch box box"], ctf: CTF | None, pixel_size: float
) -> Float[Tensor, "batch box box"]:
    """Images with the coefficients that the lens reversed turned back: multiplied by the sign of the CTF.

    Noise keeps its power, and nothing is lost. No lens (None), no change. `pixel_size` in angstrom.
    """
    if ctf is None:
        return images
    box = images.shape[-1]
    transfer = evaluate_ctf(ctf, frequency_grid(box, pixel_size, device=images.device, dtype=images.dtype))
    return inverse_fourier_transform(phase_signs(transfer) * fourier_transform(images), box)
