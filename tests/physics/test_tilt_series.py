"""A tilt series, and the volume that it makes."""

import math

import pytest
import torch
from torch import Tensor

from frazil.data import pseudo_protein
from frazil.geometry import fourier_crop, fourier_transform, random_rotations, rotate_volume
from frazil.metrics import fourier_shell_correlation
from frazil.physics import make_ctf, to_fourier_volume
from frazil.physics.missing_wedge import missing_wedge
from frazil.physics.tilt_backprojection import back_projected
from frazil.physics.tilt_series import TiltSeries, dose_envelope, dose_symmetric, tilt_rotations
from frazil.physics.tilt_transfer import TiltTransfer, tilt_spectra

BOX, PIXEL_SIZE = 32, 8.0


def specimen() -> Tensor:
    return fourier_crop(pseudo_protein(64, 4.0), BOX, 3)


def series(last: float, step: float, axis_deg: float = 0.0) -> TiltSeries:
    angle = torch.arange(-last, last + 1e-3, step)
    return TiltSeries(tilt_rotations(angle, axis_deg), 0 * angle, make_ctf(torch.full_like(angle, 3e4)))


def seen(volume: Tensor, rotation: Tensor, taken: TiltSeries) -> tuple[Tensor, Tensor]:
    """Images without a lens, and what they make."""
    through = TiltTransfer.of(taken, rotation[None], torch.zeros(1, 3), BOX, PIXEL_SIZE)
    bare = TiltTransfer(through.rotation, torch.ones_like(through.transfer), through.shift)
    images = tilt_spectra(to_fourier_volume(volume), bare)[0]
    return images, back_projected(
        images, torch.ones_like(images.real), taken.rotation, ~missing_wedge(taken.rotation, BOX)
    )


def wedge_share(volume: Tensor, taken: TiltSeries) -> float:
    """Energy in the missing wedge, of that outside, below Nyquist."""
    energy = fourier_transform(volume, 3).abs().square()
    wedge = missing_wedge(taken.rotation, BOX)
    return float(energy[wedge].sum() / energy[~wedge].sum())


@pytest.mark.parametrize("axis_deg", [0.0, 85.0])
def test_all_sides_of_a_particle_make_it_again_as_it_is_turned(axis_deg: float) -> None:
    volume, rotation = specimen(), random_rotations(1, torch.Generator().manual_seed(1))[0]
    _, made = seen(volume, rotation, series(90.0, 3.0, axis_deg))
    fsc = fourier_shell_correlation(made, rotate_volume(volume, rotation), PIXEL_SIZE)
    assert float(fsc.correlation[1:12].min()) > 0.97


def test_the_missing_wedge_is_empty_and_stays_where_it_is() -> None:
    volume, taken = specimen(), series(60.0, 3.0)
    # Two triangles of the square in x and z, less a sample on both sides.
    assert 0.2 < float(missing_wedge(taken.rotation, 32).float().mean()) < math.tan(math.radians(30)) / 2
    for rotation in random_rotations(3, torch.Generator().manual_seed(1)):
        assert wedge_share(rotate_volume(volume, rotation), taken) > 0.03
        assert wedge_share(seen(volume, rotation, taken)[1], taken) < 0.01


def test_a_particle_off_the_middle_of_its_box_is_found_there() -> None:
    volume, taken, offset = specimen(), series(60.0, 3.0), torch.tensor([[16.0, -8.0, 24.0]])
    through = TiltTransfer.of(taken, torch.eye(3)[None], torch.zeros(1, 3), BOX, PIXEL_SIZE, within=offset)
    one = torch.ones_like(through.transfer[0])
    bare = TiltTransfer(through.rotation, one[None], through.shift)
    wedge = missing_wedge(taken.rotation, BOX)
    made = back_projected(tilt_spectra(to_fourier_volume(volume), bare)[0], one, taken.rotation, ~wedge)
    _, centred = seen(volume, torch.eye(3), taken)
    x, y, z = (offset[0] / PIXEL_SIZE).int().tolist()
    moved = centred.roll((z, y, x), (0, 1, 2))
    core = (slice(6, -6),) * 3
    assert float((made - moved)[core].std() / moved[core].std()) < 0.15


def test_what_lies_lower_is_seen_at_more_defocus() -> None:
    taken = series(60.0, 60.0)
    place = torch.tensor([[0.0, 0.0, 0.0], [1000.0, 0.0, 0.0]])
    through = TiltTransfer.of(taken, torch.eye(3).expand(2, 3, 3), place, BOX, PIXEL_SIZE)
    # x = 1,000 angstrom is raised or lowered by 866 where the specimen is tilted, and stays where it is not.
    assert torch.allclose(through.transfer[0, 1], through.transfer[1, 1])
    lenses = make_ctf(torch.tensor([3e4 + 866.0254, 3e4 - 866.0254]))
    same = TiltTransfer.of(
        TiltSeries(taken.rotation[[0, 2]], torch.zeros(2), lenses),
        torch.eye(3)[None],
        torch.zeros(1, 3),
        BOX,
        PIXEL_SIZE,
    )
    signs = (0, 1) if float(taken.rotation[0, 2, 0]) > 0 else (1, 0)
    assert torch.allclose(through.transfer[1, [0, 2]], same.transfer[0, list(signs)], atol=1e-4)


def test_radiation_takes_fine_detail_first() -> None:
    # Grant & Grigorieff: 0.245 k^-1.665 + 2.81 electrons leave 1 / sqrt(e) of the amplitude.
    critical = 0.245 * 0.1**-1.665 + 2.81
    left = dose_envelope(torch.tensor(critical), torch.tensor([0.05, 0.1, 0.2]))
    assert float(left[1]) == pytest.approx(math.exp(-0.5), rel=1e-5)
    assert left[0] > left[1] > left[2]
    dose = dose_symmetric(torch.tensor([-6.0, -3.0, 0.0, 3.0, 6.0]), 2.0)
    assert dose.tolist() == [7.0, 3.0, 1.0, 5.0, 9.0]


def test_images_are_differentiable_by_the_volume() -> None:
    volume = specimen().requires_grad_()
    taken = series(60.0, 20.0)
    through = TiltTransfer.of(taken, torch.eye(3)[None], torch.zeros(1, 3), BOX, PIXEL_SIZE)
    tilt_spectra(to_fourier_volume(volume), through).abs().square().sum().backward()
    assert volume.grad is not None
    assert bool(volume.grad.abs().sum() > 0)
