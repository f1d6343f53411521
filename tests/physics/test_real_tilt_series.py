"""The rotation convention on real data: a ribosome average at RELION's angles must look like the real images.

The 40 particles are tilt series with RELION 5's tables. The particle's Euler matrix, followed by the tilt's
projection matrix, takes the particle's frame to the microscope's. The average was reconstructed with `--flip`
by its makers because the hand of this data set is inverted, so it fits after mirroring along z.
"""

import ast
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
import torch
from torch import Tensor

from frazil.geometry import (
    euler_to_rotation,
    fourier_transform,
    frequency_grid,
    inverse_fourier_transform,
    random_rotations,
    soft_sphere,
)
from frazil.physics import CTF, evaluate_ctf, project

pytestmark = [pytest.mark.data, pytest.mark.filterwarnings("ignore:Unrecognised machine stamp")]

BOX, PIXEL_SIZE, MAX_TILT = 32, 12.0, 20.0
NAME = "warptools_test_4-tomos_10-ptcls_box-32_angpix-12"


def read_volume(path: Path) -> Tensor:
    with mrcfile.open(path, permissive=True) as file:
        return torch.tensor(file.data.astype(np.float32))


def tilt_matrices(table: object) -> Tensor:
    rows = [[ast.literal_eval(text)[:3] for text in table[f"rlnTomoProj{axis}"]] for axis in "XYZ"]
    return torch.tensor(rows).transpose(0, 1)


@pytest.fixture
def series(shared_data: Path) -> dict[str, Tensor]:
    """Images at low tilt with the particle's Euler matrix, the tilt's matrix and the lens of each."""
    folder = shared_data / "ribosome_tilts_warptools"
    particles = starfile.read(folder / f"{NAME}.star", always_dict=True)["particles"]
    tomograms = starfile.read(folder / f"{NAME}_tomograms.star", always_dict=True)
    rows: dict[str, list[Tensor]] = {"images": [], "euler": [], "tilt": [], "defocus": []}
    for _, particle in particles.iterrows():
        table = tomograms[particle.rlnTomoName]
        tilt = tilt_matrices(table)
        low = torch.rad2deg(torch.acos(tilt[:, 2, 2])) < MAX_TILT
        low &= torch.tensor(ast.literal_eval(particle.rlnTomoVisibleFrames)).bool()
        angles = torch.tensor([particle[f"rlnAngle{name}"] for name in ("Rot", "Tilt", "Psi")])
        rows["images"].append(read_volume(folder / particle.rlnImageName)[low])
        rows["euler"].append(euler_to_rotation(angles).expand(int(low.sum()), 3, 3))
        rows["tilt"].append(tilt[low])
        lens = table[["rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"]].to_numpy()
        rows["defocus"].append(torch.tensor(lens).float()[low])
    return {name: torch.cat(parts) for name, parts in rows.items()}


def normalised(images: Tensor, filter_: Tensor) -> Tensor:
    """Band-passed, masked by a soft disc, of zero mean and unit length."""
    mask = soft_sphere(BOX, 11.0, 3.0, ndim=2)
    passed = inverse_fourier_transform(fourier_transform(images) * filter_, BOX) * mask
    passed = passed - mask * passed.sum((1, 2), keepdim=True) / mask.sum()
    return passed / passed.flatten(1).norm(dim=1)[:, None, None]


def test_real_images_look_like_projections_at_relions_angles_and_under_no_other_convention(
    series: dict[str, Tensor], shared_data: Path
) -> None:
    average = read_volume(shared_data / "ribosome_tilts_warptools" / "warptools_test_box-32_angpix-12_reconstruct.mrc")
    mirrored = average.flip(0).roll(1, 0)
    frequency = frequency_grid(BOX, PIXEL_SIZE)
    radius = frequency.norm(dim=-1)
    band = ((radius > 1 / 400) & (radius < 1 / 40)).float()
    constant = torch.ones(len(series["images"]))
    lens = [*series["defocus"].unbind(1), 300 * constant, 2.7 * constant, 0.07 * constant, 0 * constant, 0 * constant]
    seen = band * evaluate_ctf(CTF(*lens), frequency) ** 2  # the images were multiplied by their CTF on extraction
    real = normalised(series["images"], band)

    def likeness(volume: Tensor, rotation: Tensor) -> float:
        """Mean normalised cross-correlation with the real images."""
        return float((normalised(project(volume, rotation), seen) * real).sum((1, 2)).mean())

    euler, tilt = series["euler"], series["tilt"]
    ours = likeness(mirrored, tilt @ euler)
    others = {
        "transposed": likeness(mirrored, tilt @ euler.mT),
        "tilt transposed": likeness(mirrored, tilt.mT @ euler),
        "both transposed": likeness(mirrored, tilt.mT @ euler.mT),
        "in the other order": likeness(mirrored, euler @ tilt),
        "the other hand": likeness(average, tilt @ euler),
        "the other hand, transposed": likeness(average, tilt @ euler.mT),
        "random": likeness(mirrored, random_rotations(len(real), torch.Generator().manual_seed(2))),
        "of another particle": likeness(mirrored, tilt @ euler.roll(len(real) // 2, 0)),
    }
    print(f"ours {ours:.3f};", "; ".join(f"{name} {value:.3f}" for name, value in others.items()))
    assert ours > 0.1
    assert max(others.values()) < 0.35 * ours


def test_the_particles_are_where_their_zero_origins_say(series: dict[str, Tensor], shared_data: Path) -> None:
    average = read_volume(shared_data / "ribosome_tilts_warptools" / "warptools_test_box-32_angpix-12_reconstruct.mrc")
    band = (frequency_grid(BOX, PIXEL_SIZE).norm(dim=-1) < 1 / 40).float()
    model = normalised(project(average.flip(0).roll(1, 0), series["tilt"] @ series["euler"]), band)
    cross = fourier_transform(normalised(series["images"], band)) * fourier_transform(model).conj()
    peak = int(inverse_fourier_transform(cross, BOX).mean(0).argmax())
    assert divmod(peak, BOX) == (BOX // 2, BOX // 2)
