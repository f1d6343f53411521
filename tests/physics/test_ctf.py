"""The contrast transfer function against RELION's formula, its closed-form values, and another library."""

import math

import numpy as np
import pytest
import torch

from frazil.geometry import fourier_transform, frequency_grid, inverse_fourier_transform
from frazil.physics import (
    CTF,
    b_factor_envelope,
    b_factor_of_nyquist_value,
    electron_wavelength,
    evaluate_ctf,
    make_ctf,
    phase_flip,
)

# defocus U, V (angstrom), angle (degrees), kV, Cs (mm), amplitude contrast, phase shift (degrees), B (angstrom^2)
LENSES = {
    "no astigmatism": (15000, 15000, 0, 300, 2.7, 0.1, 0, 0),
    "U above V": (20000, 17000, 30, 300, 2.7, 0.1, 0, 0),
    "U below V": (17000, 20000, 30, 300, 2.7, 0.1, 0, 0),
    "a negative angle": (21000, 20500, -67, 200, 2.0, 0.07, 0, 0),
    "a phase plate": (8000, 7800, 110, 300, 0.01, 0.07, 90, 0),
    "a B-factor": (25000, 24000, 45, 120, 6.3, 0.15, 0, 120),
    "overfocus": (-9000, -9500, 10, 300, 2.7, 0.1, 0, 30),
    "far from focus": (50000, 48000, 5, 300, 2.7, 0.1, 0, 0),
}


def relion_ctf(lens: tuple[float, ...], box: int, pixel_size: float) -> np.ndarray:
    """RELION's ctf.h and ctf.cpp in their own variables, in double precision."""
    defocus_u, defocus_v, angle, kilovolts, cs, q0, phase_shift, b_factor = map(float, lens)
    volts, spherical = kilovolts * 1e3, cs * 1e7
    wavelength = 12.2643247 / math.sqrt(volts * (1.0 + volts * 0.978466e-6))
    k1 = math.pi / 2 * 2 * wavelength
    k2 = math.pi / 2 * spherical * wavelength**3
    k3 = math.atan(q0 / math.sqrt(1 - q0 * q0))
    k4 = -b_factor / 4
    k5 = math.radians(phase_shift)
    ctf = np.zeros((box, box // 2 + 1))
    for i in range(box):
        for j in range(box // 2 + 1):
            x, y = j / (box * pixel_size), (i if i < (box + 1) // 2 else i - box) / (box * pixel_size)
            u2 = x * x + y * y
            ellipsoid_angle = math.atan2(y, x) - math.radians(angle)
            average, deviation = -(defocus_u + defocus_v) / 2, -(defocus_u - defocus_v) / 2
            delta_f = average + deviation * math.cos(2 * ellipsoid_angle)
            gamma = k1 * delta_f * u2 + k2 * u2 * u2 - k5 - k3
            ctf[i, j] = -math.sin(gamma) * math.exp(k4 * u2)
    return ctf


def lens_of(values: tuple[float, ...], dtype: torch.dtype = torch.float32) -> CTF:
    return CTF(*torch.tensor([values], dtype=dtype).unbind(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("box", [47, 48])
@pytest.mark.parametrize("pixel_size", [1.0, 3.0])
@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_the_ctf_is_relions(lens: tuple[float, ...], pixel_size: float, box: int, dtype: torch.dtype) -> None:
    ours = evaluate_ctf(lens_of(lens, dtype), frequency_grid(box, pixel_size, dtype=dtype))
    assert ours.dtype == dtype
    assert np.abs(ours[0].numpy() - relion_ctf(lens, box, pixel_size)).max() < 1e-4


def test_every_image_of_a_batch_has_its_own_ctf() -> None:
    frequency = frequency_grid(16, 2.0)
    batch = CTF(*torch.tensor(list(LENSES.values()), dtype=torch.float32).unbind(1))
    together = evaluate_ctf(batch, frequency)
    for row, values in enumerate(LENSES.values()):
        torch.testing.assert_close(together[row], evaluate_ctf(lens_of(values), frequency)[0])
        torch.testing.assert_close(together[row], evaluate_ctf(batch[row : row + 1], frequency)[0])


def test_protein_is_positive_the_ctf_is_plus_the_amplitude_contrast_at_the_origin() -> None:
    ctf = make_ctf(torch.tensor([12000.0]), amplitude_contrast=0.07)
    value = evaluate_ctf(ctf, frequency_grid(8, 2.0))
    torch.testing.assert_close(value[0, 0, 0], torch.tensor(0.07))
    assert (value[0, 0, 1] > 0.07).all()  # underfocus: contrast grows from the origin


def test_the_first_zero_is_where_the_phase_reaches_pi() -> None:
    defocus, contrast = 15000.0, 0.1
    wavelength, cs = 0.0196875, 2.7e7
    # pi lambda defocus s - pi/2 Cs lambda^3 s^2 + asin(contrast) = pi, a quadratic in s = k^2
    a, b, c = -math.pi / 2 * cs * wavelength**3, math.pi * wavelength * defocus, math.asin(contrast) - math.pi
    square = (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)
    frequency = torch.tensor([[math.sqrt(square) * factor, 0.0] for factor in (0.999, 1.0, 1.001)])
    before, zero, after = evaluate_ctf(make_ctf(torch.tensor([defocus])), frequency)[0]
    assert abs(zero) < 1e-4
    assert before > 1e-3
    assert after < -1e-3
    assert 1 / math.sqrt(square) == pytest.approx(17.4, abs=0.2)  # angstrom


@pytest.mark.parametrize(("kilovolts", "wavelength"), [(100, 0.03701), (120, 0.03349), (200, 0.02508), (300, 0.01969)])
def test_the_electron_wavelength_is_the_relativistic_one(kilovolts: float, wavelength: float) -> None:
    planck, mass, charge, light = 6.62607015e-34, 9.1093837e-31, 1.602176634e-19, 299792458.0
    energy = charge * kilovolts * 1e3
    momentum = math.sqrt(2 * mass * energy * (1 + energy / (2 * mass * light**2)))
    ours = float(electron_wavelength(torch.tensor(float(kilovolts), dtype=torch.float64)))
    assert ours == pytest.approx(wavelength, abs=6e-6)
    assert ours == pytest.approx(planck / momentum * 1e10, rel=1e-4)


def test_defocus_u_lies_along_the_astigmatism_angle_counted_from_x_to_y() -> None:
    angle = math.radians(30)
    along = torch.tensor([[0.05 * math.cos(angle), 0.05 * math.sin(angle)]])
    across = torch.tensor([[-0.05 * math.sin(angle), 0.05 * math.cos(angle)]])
    lens = lens_of((20000, 12000, 30, 300, 2.7, 0.1, 0, 0))
    torch.testing.assert_close(evaluate_ctf(lens, along), evaluate_ctf(make_ctf(torch.tensor([20000.0])), along))
    torch.testing.assert_close(evaluate_ctf(lens, across), evaluate_ctf(make_ctf(torch.tensor([12000.0])), across))


def test_swapping_u_and_v_and_adding_90_degrees_changes_nothing() -> None:
    frequency = frequency_grid(32, 1.5)
    one = evaluate_ctf(lens_of((20000, 12000, 30, 300, 2.7, 0.1, 0, 0)), frequency)
    torch.testing.assert_close(one, evaluate_ctf(lens_of((12000, 20000, 120, 300, 2.7, 0.1, 0, 0)), frequency))


def test_the_gradient_is_finite_without_astigmatism_and_at_the_origin() -> None:
    values = [torch.tensor([value], requires_grad=True) for value in (15000.0, 15000.0, 0.0, 300.0, 2.7, 0.1, 0.0, 0.0)]
    frequency = frequency_grid(16, 2.0).requires_grad_()
    evaluate_ctf(CTF(*values), frequency).square().sum().backward()
    for value in [*values, frequency]:
        assert value.grad is not None
        assert value.grad.isfinite().all()
    assert values[0].grad.abs() > 0


def test_the_gradient_with_respect_to_the_lens_is_that_of_finite_differences() -> None:
    frequency = frequency_grid(6, 2.0, dtype=torch.float64)
    # scaled so that one step suits all: defocus in micrometres, angles in radians
    scale = torch.tensor([1e4, 1e4, 57.0, 300.0, 2.7, 1.0, 57.0, 100.0], dtype=torch.float64)
    start = torch.tensor([1.5, 1.4, 0.5, 1.0, 1.0, 0.1, 0.3, 0.5], dtype=torch.float64)
    values = (start[:, None].repeat(1, 2)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda v: evaluate_ctf(CTF(*(scale[:, None] * v)), frequency), (values,), eps=1e-7, atol=1e-4
    )


def test_an_envelope_is_a_gaussian_that_reaches_its_value_at_nyquist() -> None:
    assert b_factor_envelope(torch.tensor(80.0), torch.tensor(0.05)) == pytest.approx(math.exp(-1.0))
    for value, expected in [(0.01, 120), (0.2, 42)]:  # the values CryoGAN's paper states, at 1.274 angstrom a pixel
        b_factor = b_factor_of_nyquist_value(value, 1.274)
        assert b_factor == pytest.approx(expected, rel=0.01)
        nyquist = torch.tensor(1 / (2 * 1.274)) ** 2
        assert b_factor_envelope(torch.tensor(b_factor), nyquist) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("name", ["no astigmatism", "U above V", "a phase plate", "far from focus"])
def test_the_ctf_agrees_with_torch_ctf(name: str) -> None:
    from torch_ctf import calculate_ctf_2d

    defocus_u, defocus_v, angle, kilovolts, cs, contrast, phase_shift, _ = LENSES[name]
    pixel_size = 3.0 if name == "far from focus" else 2.0  # its wavelength differs from RELION's in the fifth digit
    theirs = calculate_ctf_2d(
        defocus=(defocus_u + defocus_v) / 2e4,
        astigmatism=(defocus_u - defocus_v) / 2e4,
        astigmatism_angle=float(angle),
        voltage=float(kilovolts),
        spherical_aberration=float(cs),
        amplitude_contrast=contrast,
        phase_shift=float(phase_shift),
        pixel_size=pixel_size,
        image_shape=(32, 32),
        rfft=True,
        fftshift=False,
    )
    ours = evaluate_ctf(lens_of(LENSES[name]), frequency_grid(32, pixel_size))[0]
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)


@pytest.mark.parametrize("box", [32, 33])
def test_flipping_phases_turns_a_ctf_into_its_magnitude(box: int) -> None:
    """What the lens made of a point, flipped, is what a lens with |CTF| would have made of it."""
    lens, generator = make_ctf(defocus_u=torch.tensor([9_000.0, 24_000.0])), torch.Generator().manual_seed(0)
    specimen = torch.randn(2, box, box, generator=generator)
    transfer = evaluate_ctf(lens, frequency_grid(box, 3.0))
    assert (transfer < 0).any(dim=-1).any(dim=-1).all()

    def through(values: torch.Tensor) -> torch.Tensor:
        return inverse_fourier_transform(fourier_transform(specimen) * values, box)

    flipped = phase_flip(through(transfer), lens, 3.0)
    torch.testing.assert_close(flipped, through(transfer.abs()), rtol=0, atol=1e-5)
    assert float(flipped.square().sum()) == pytest.approx(float(through(transfer).square().sum()), rel=1e-5)


def test_without_a_lens_no_phase_is_flipped() -> None:
    image = torch.randn(1, 8, 8)
    assert phase_flip(image, None, 3.0) is image
