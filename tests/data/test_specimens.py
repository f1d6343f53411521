"""Specimens: models and maps brought to the box and pixel size asked for."""

from pathlib import Path

import pytest
import torch

from frazil.data.specimens import read_specimen, resample
from frazil.geometry import centred_coordinates, fourier_crop
from frazil.io import Map


@pytest.mark.parametrize(("box", "pixel_size"), [(32, 4.0), (45, 2.5), (21, 6.0)])
def test_a_map_is_resampled_to_any_pixel_size_about_its_own_centre(box: int, pixel_size: float) -> None:
    def blob(box: int, pixel_size: float) -> torch.Tensor:
        offset = centred_coordinates(box, 3) * pixel_size - torch.tensor([9.0, -6.0, 4.0])
        return torch.exp(-offset.square().sum(-1) / (2 * 9.0**2))

    resampled = resample(Map(blob(40, 3.3), 3.3), box, pixel_size)
    assert (resampled - blob(box, pixel_size)).abs().max() < 2e-3


def test_cropping_a_maps_spectrum_and_resampling_it_agree() -> None:
    volume = read_specimen("pseudo-protein", 48, 4.0, resolution=30.0).volume
    resampled = resample(Map(volume, 4.0), 32, 6.0)
    assert (resampled - fourier_crop(volume, 32, 3)).norm() < 0.005 * resampled.norm()


@pytest.mark.data
def test_the_real_structures_of_beta_galactosidase_and_its_map_fit_their_box(shared_data: Path) -> None:
    model = read_specimen(str(shared_data / "models" / "5a1a.cif.gz"), 64, 3.8)
    assert model.radius == pytest.approx(91.2, abs=0.1)
    density = read_specimen(str(shared_data / "betagal_map" / "betagal_3.54A.mrc"), 64, 3.8)
    assert density.radius == pytest.approx(91, abs=8)
