"""Exposure of fields: contrast, ice, electrons and noise as they are asked for, protein dark."""

import math

import pytest
import torch

from frazil.geometry import filter_field, on_rectangle, rectangle_frequency
from frazil.physics import (
    CountedExposure,
    Detector,
    PaperExposure,
    ParticleField,
    contrast_at,
    counted_exposure,
    make_ctf,
)
from frazil.physics.exposure import PaperNoise
from frazil.physics.solvent import smooth_transmission

SIZE, PIXEL_SIZE = (160, 128), 3.0
EVEN = torch.ones(SIZE[1], SIZE[0])


@pytest.fixture
def field(generator: torch.Generator) -> ParticleField:
    """Smooth positive blots."""
    noise = torch.randn(SIZE[1], SIZE[0], generator=generator)
    blurred = filter_field(noise, (-((50 * rectangle_frequency(SIZE, 1.0).norm(dim=-1) / 4).square())).exp())
    image = blurred.clamp(min=0)
    return ParticleField(image, image, image > 0)


def test_protein_is_dark(field: ParticleField, generator: torch.Generator) -> None:
    for exposure in (CountedExposure(100.0, 0.3), PaperExposure(PIXEL_SIZE)):
        seen = exposure.expose(field, EVEN, None, generator)
        assert torch.corrcoef(torch.stack([seen.flatten(), field.image.flatten()]))[0, 1] < -0.1


def test_electrons_are_counted_as_many_as_expected(generator: torch.Generator) -> None:
    nothing = ParticleField(torch.zeros_like(EVEN), torch.zeros_like(EVEN), EVEN > 1)
    counts = CountedExposure(25.0, 1.0).expose(nothing, EVEN, None, generator)
    assert torch.equal(counts, counts.round())
    assert counts.mean() == pytest.approx(25, rel=0.01)
    assert counts.var() == pytest.approx(25, rel=0.05)


@pytest.mark.parametrize("snr_db", [-5.0, -12.0])
@pytest.mark.parametrize("coloured", [False, True])
def test_a_counted_exposure_has_the_snr_asked_for(
    field: ParticleField, snr_db: float, coloured: bool, generator: torch.Generator
) -> None:
    curve = torch.tensor([[0.0, 8.0], [0.05, 4.0], [0.12, 1.0]]) if coloured else None
    detector = Detector(400.0, curve, None)
    contrast = contrast_at(detector, snr_db, field.image[None], PIXEL_SIZE)
    exposure = counted_exposure(detector, contrast, SIZE, PIXEL_SIZE)
    seen = exposure.expose(field, EVEN, None, generator) / exposure.dose
    clean = -exposure.contrast * field.image
    noise = seen - 1 - clean
    assert 10 * math.log10(clean.var() / noise.var()) == pytest.approx(snr_db, abs=0.25)


@pytest.mark.parametrize("blurred", [False, True])
def test_the_background_has_the_spectrum_that_was_measured(blurred: bool, generator: torch.Generator) -> None:
    curve = torch.tensor([[0.0, 8.0], [0.05, 4.0], [0.12, 1.0]])
    mtf = torch.tensor([[0.0, 1.0], [1 / 6, 0.6]]) if blurred else None
    nothing = ParticleField(torch.zeros_like(EVEN), torch.zeros_like(EVEN), EVEN > 1)
    exposure = counted_exposure(Detector(400.0, curve, mtf), 0.1, SIZE, PIXEL_SIZE)
    power = torch.stack(
        [torch.fft.rfft2(exposure.expose(nothing, EVEN, None, generator)).abs().square() for _ in range(60)]
    ).mean(0)
    frequency = rectangle_frequency(SIZE, PIXEL_SIZE).norm(dim=-1)
    wanted = on_rectangle(curve, SIZE, PIXEL_SIZE)
    bands = [(0.01, 0.03), (0.04, 0.06), (0.08, 0.1), (0.13, 0.16)]
    shares = [float((power / wanted)[(frequency > low) & (frequency < high)].mean()) for low, high in bands]
    assert max(shares) / min(shares) < 1.05


@pytest.mark.parametrize("noise", ["gaussian", "poisson", "poisson-gaussian"])
def test_the_papers_exposure_has_its_snr_and_range(
    field: ParticleField, noise: PaperNoise, generator: torch.Generator
) -> None:
    exposure = PaperExposure(PIXEL_SIZE, -10.0, noise)
    seen = exposure.expose(field, EVEN, make_ctf(torch.tensor([15_000.0])), generator)
    again = exposure.expose(field, EVEN, make_ctf(torch.tensor([15_000.0])), generator)
    assert seen.min() == -1
    assert seen.max() == 1
    # Two draws share the clean image alone: their correlation is SNR / (1 + SNR).
    same = torch.corrcoef(torch.stack([seen.flatten(), again.flatten()]))[0, 1]
    assert same == pytest.approx(0.1 / 1.1, abs=0.025)


def test_ice_lets_through_one_on_average_and_varies_as_it_is_told(generator: torch.Generator) -> None:
    through = smooth_transmission(SIZE, 0.05, generator)
    assert through.shape == EVEN.shape
    assert through.mean() == pytest.approx(1, abs=1e-6)
    assert through.log().std() == pytest.approx(0.05, rel=1e-3)
    assert (smooth_transmission(SIZE, 0.0, generator) == 1).all()
