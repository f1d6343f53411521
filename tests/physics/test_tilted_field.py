"""Fields of molecules in a tilt series, and the tomogram that they make."""

import torch
from torch import Tensor

from frazil.data import pseudo_protein
from frazil.geometry import fourier_crop, random_rotations, rotate_volume
from frazil.physics import make_ctf, to_fourier_volume
from frazil.physics.subtomograms import Molecules
from frazil.physics.tilt_scheme import TiltScheme
from frazil.physics.tilted_field import TiltedFieldImaging
from frazil.physics.tomogram_placement import place_molecules, place_vesicles
from frazil.physics.weighted_back_projection import phase_flipped, weighted_back_projection

PIXEL_SIZE, BOX = 8.0, 24
SIZE, DEPTH = (72, 56), 40
ROUND = TiltScheme((-90.0, 87.0), dose_per_tilt=0.0, ice_thickness=0.0)


def specimen() -> Tensor:
    return fourier_crop(pseudo_protein(48, 4.0, resolution=24.0), BOX, 3)


def two() -> Molecules:
    """Two molecules, turned, on whole voxels off the middle."""
    place = PIXEL_SIZE * torch.tensor([[-16.0, 4.0, 6.0], [14.0, -9.0, -5.0]])
    rotation = random_rotations(2, torch.Generator().manual_seed(1))
    return Molecules(place, rotation, torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))


def test_the_tomogram_of_a_whole_turn_shows_each_molecule_where_and_as_it_lies_in_its_own_units() -> None:
    images, molecules, volume = TiltedFieldImaging(ROUND, PIXEL_SIZE, SIZE), two(), specimen()
    clean = images.clean([to_fourier_volume(volume, 3)], molecules, None)
    tomogram = weighted_back_projection(clean, ROUND.angles, DEPTH)
    for place, rotation in zip(molecules.place, molecules.rotation, strict=True):
        x, y, z = (place / PIXEL_SIZE).int().tolist()
        start = [DEPTH // 2 + z - BOX // 2, SIZE[1] // 2 + y - BOX // 2, SIZE[0] // 2 + x - BOX // 2]
        found = tomogram[tuple(slice(first, first + BOX) for first in start)]
        wanted = rotate_volume(volume, rotation)
        both = torch.stack([found.flatten(), wanted.flatten()])
        assert float(torch.corrcoef(both)[0, 1]) > 0.97
        slope = float((both[0] * both[1]).sum() / both[1].square().sum())
        assert 0.85 < slope < 1.15


def test_the_lens_s_signs_are_put_right() -> None:
    scheme = TiltScheme((-60.0, 60.0), tilt_step=6.0, dose_per_tilt=0.0)
    images, molecules, lens = TiltedFieldImaging(scheme, PIXEL_SIZE, SIZE), two(), make_ctf(torch.tensor([9e4]))
    spectra = [to_fourier_volume(specimen(), 3)]
    bare, seen = (images.clean(spectra, molecules, one) for one in (None, lens))
    flipped = phase_flipped(seen, lens, PIXEL_SIZE)

    def likeness(other: Tensor) -> float:
        return float(torch.corrcoef(torch.stack([bare.flatten(), other.flatten()]))[0, 1])

    assert likeness(flipped) > likeness(seen) + 0.05


def test_noise_is_the_stronger_the_longer_the_way_through_the_ice() -> None:
    scheme = TiltScheme((-60.0, 60.0), tilt_step=60.0, ice_thickness=3000.0)
    noise = TiltedFieldImaging(scheme, PIXEL_SIZE, (128, 128)).noise(None, torch.Generator().manual_seed(0))
    low, upright, high = noise.std((1, 2)).tolist()
    assert abs(upright - 1) < 0.05
    assert abs(low - 1.6487) < 0.08  # exp(1/2): another free path each way, half of it in amplitude
    assert abs(high - low) < 0.08


def test_no_molecule_lies_in_another_or_in_a_vesicle_s_wall() -> None:
    generator, sides = torch.Generator().manual_seed(0), torch.tensor([3000.0, 2500.0, 900.0])
    vesicles = place_vesicles(sides, torch.tensor([300.0, 250.0, 350.0]), generator)
    assert len(vesicles) == 3
    for radius, *centre in vesicles.tolist():
        assert all(abs(at) + radius <= side / 2 for at, side in zip(centre, sides.tolist(), strict=True))
    radius = torch.full((400,), 120.0)
    places = place_molecules(sides, radius, vesicles, generator)
    placed = places[~places[:, 0].isnan()]
    assert 30 < len(placed) < 400  # the ice is full before all of them are in
    apart = torch.cdist(placed, placed).fill_diagonal_(torch.inf)
    assert float(apart.min()) >= 240
    wall = (torch.cdist(placed, vesicles[:, 1:]) - vesicles[:, 0]).abs()
    assert float(wall.min()) >= 120
    assert float(placed[:, 2].abs().max()) <= 330
