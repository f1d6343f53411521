"""How strong noise is beside molecules, is that of all tomograms, through whatever lenses."""

import math

import pytest
import torch

from frazil.data.phantoms import pseudo_protein
from frazil.data.subtomogram_scenes import SubtomogramScene
from frazil.physics import CTFRanges, UniformShifts
from frazil.physics.subtomograms import TiltSeriesImaging
from frazil.physics.tilt_scheme import TiltScheme


def scene(seed: int) -> SubtomogramScene:
    """Twelve tomograms, near focus and far from it."""
    imaging = TiltSeriesImaging([pseudo_protein(16, 16.0)], 16.0, TiltScheme(tilt_step=20.0))
    lens = CTFRanges((5_000.0, 80_000.0), (0.0, 0.0))
    return SubtomogramScene(imaging, 1, 120, 10, lens, UniformShifts(5.0, 16 * 16.0), 1000.0, seed)


def test_the_ratio_of_signal_to_noise_is_that_of_all() -> None:
    own = scene(0)
    strength = own.noise_std(-3.0)
    clean, noise = [], []
    for tomogram in range(own.tomograms):
        labels, generator = own.labels(tomogram), torch.Generator().manual_seed(tomogram)
        clean.append(own.imaging.clean(labels.molecules, labels.lens))
        noise.append(strength * own.imaging.noise(labels.molecules[:4], labels.lens, generator))
    power = [float(torch.cat(kind).double().var((1, 2, 3)).mean()) for kind in (clean, noise)]
    assert 10 * math.log10(power[0] / power[1]) == pytest.approx(-3.0, abs=0.25)


def test_halves_have_the_signal_of_the_whole_and_noise_of_their_own() -> None:
    own = scene(0)
    whole, halves = own.volumes(1, 2.0), own.volumes(1, 2.0, parts=2)
    clean = own.volumes(1, 0.0)
    spread = [float((one - clean).std()) for one in (whole, halves, halves.mean(0, keepdim=True))]
    assert spread[1] == pytest.approx(2**0.5 * spread[0], rel=0.03)
    assert spread[2] == pytest.approx(spread[0], rel=0.03)
