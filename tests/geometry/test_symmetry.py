"""Point groups in RELION's settings, and maps made symmetric by them."""

import gzip
from pathlib import Path

import gemmi
import mrcfile
import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from frazil.geometry import (
    asymmetric_unit,
    asymmetric_views,
    fourier_crop,
    half_turn_grid,
    rotate_volume,
    rotation_angle,
    rotation_grid,
    soft_sphere,
    symmetrise,
    symmetry_rotations,
)

ORDERS = {"C1": 1, "C2": 2, "C5": 5, "C17": 17, "C99": 99, "D1": 2, "D2": 4, "D7": 14, "D99": 198, "T": 12, "O": 24}
ORDERS |= dict.fromkeys(("I", "I1", "I2", "I3", "I4"), 60)

# (group, fold, axis) as RELION's symmetries.cpp states them.
AXES = [
    ("C4", 4, (0, 0, 1)),
    ("D2", 2, (1, 0, 0)),
    ("D2", 2, (0, 0, 1)),
    ("D7", 7, (0, 0, 1)),
    ("D7", 2, (1, 0, 0)),
    ("T", 3, (0, 0, 1)),
    ("T", 2, (0, 0.816496, 0.577350)),
    ("O", 3, (1, 1, 1)),
    ("O", 4, (0, 0, 1)),
    ("O", 4, (1, 0, 0)),
    ("I1", 2, (1, 0, 0)),
    ("I1", 5, (0.850650807, 0, -0.525731114)),
    ("I1", 3, (0.9341723640, 0.3568220765, 0)),
    ("I2", 2, (0, 0, 1)),
    ("I2", 5, (0.525731114, 0, 0.850650807)),
    ("I2", 3, (0, 0.356822076, 0.934172364)),
    ("I3", 5, (0, 0, 1)),
    ("I3", 2, (-0.5257311143, 0, 0.8506508070)),
    ("I4", 5, (0, 0, 1)),
    ("I4", 2, (0.5257311143, 0, 0.8506508070)),
    ("I4", 5, (0.8944271932, 0, 0.4472135910)),
]


def holds(group: torch.Tensor, rotation: torch.Tensor) -> bool:
    return bool(((group - rotation).abs().amax((-1, -2)) < 1e-5).any())


def turn(axis: tuple[float, float, float], fold: int) -> torch.Tensor:
    """Rodrigues' formula, so that the axes are checked by other means than they are made by."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = 2 * np.pi / fold
    matrix = np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew
    return torch.tensor(matrix, dtype=torch.float32)


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_a_point_group_has_its_order_and_starts_with_the_identity(name: str, order: int) -> None:
    group = symmetry_rotations(name)
    assert len(group) == order
    torch.testing.assert_close(group[0], torch.eye(3))
    torch.testing.assert_close(torch.linalg.det(group), torch.ones(order))
    assert len(torch.unique((group * 1e3).round().reshape(order, 9), dim=0)) == order


@pytest.mark.parametrize("name", ["C5", "D7", "T", "O", "I1", "I2", "I3", "I4"])
def test_a_point_group_is_closed_under_products_and_inverses(name: str) -> None:
    group = symmetry_rotations(name)
    products = (group[:, None] @ group[None]).reshape(-1, 3, 3)
    distance = torch.cdist(torch.cat([products, group.mT]).double().flatten(1), group.double().flatten(1))
    assert distance.amin(1).max() < 1e-5


@pytest.mark.parametrize(("name", "fold", "axis"), AXES)
def test_the_axes_are_those_of_relion(name: str, fold: int, axis: tuple[float, float, float]) -> None:
    assert holds(symmetry_rotations(name), turn(axis, fold))


def test_the_icosahedral_settings_differ_and_I_means_I2() -> None:  # noqa: N802
    groups = {name: symmetry_rotations(name) for name in ("I1", "I2", "I3", "I4")}
    for name, group in groups.items():
        others = [other for key, other in groups.items() if key != name]
        assert not any(all(holds(group, rotation) for rotation in other) for other in others)
    assert all(holds(groups["I2"], rotation) for rotation in symmetry_rotations("I"))


def test_small_letters_name_the_same_group() -> None:
    assert torch.equal(symmetry_rotations("d2"), symmetry_rotations("D2"))


@pytest.mark.parametrize("name", ["", "C0", "C", "D100", "X2", "I5", "O4", "C-2", "C2v", " D2"])
def test_an_unknown_symmetry_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown symmetry .*use C1, C4, D7, T, O, or I1 to I4"):
        symmetry_rotations(name)


@pytest.mark.parametrize("box", [24, 25])
@pytest.mark.parametrize("name", ["C4", "D2", "O"])
def test_a_symmetrised_volume_is_left_as_it_is_by_its_group(name: str, box: int) -> None:
    volume = fourier_crop(torch.randn(9, 9, 9), box, 3) * soft_sphere(box, box / 4, box / 8)
    rotations = symmetry_rotations(name)
    symmetric = symmetrise(volume, rotations)
    torch.testing.assert_close(symmetrise(symmetric, rotations), symmetric, atol=1e-4, rtol=0)
    torch.testing.assert_close(rotate_volume(symmetric, rotations[-1]), symmetric, atol=1e-4, rtol=0)


def test_no_symmetry_leaves_the_volume_untouched() -> None:
    volume = torch.randn(8, 8, 8)
    assert symmetrise(volume, symmetry_rotations("C1")) is volume


def misfit(path: Path, name: str) -> float:
    """Worst root mean square distance (angstrom) between a model's C-alphas and their images under a group."""
    model = gemmi.read_structure_string(gzip.decompress(path.read_bytes()), format=gemmi.CoorFormat.Mmcif)[0]
    atoms = [site.atom.pos.tolist() for site in model.all() if site.atom.name == "CA"]
    positions = np.array(atoms) - np.mean(atoms, axis=0)
    tree = cKDTree(positions)
    rotations = symmetry_rotations(name).double().numpy()
    return max(float(np.sqrt((tree.query(positions @ rotation.T)[0] ** 2).mean())) for rotation in rotations)


@pytest.mark.data
def test_real_molecules_have_their_symmetry_in_relions_setting(shared_data: Path) -> None:
    galactosidase, ferritin = shared_data / "models" / "5a1a.cif.gz", shared_data / "models" / "4v1w.cif.gz"
    assert misfit(galactosidase, "D2") < 0.1 < 3 < misfit(galactosidase, "D4")
    assert misfit(ferritin, "O") < 0.1 < 3 < misfit(ferritin, "T")  # T has its threefold on z, O on 111


@pytest.mark.data
def test_the_map_of_beta_galactosidase_is_its_own_mean_over_d2(shared_data: Path) -> None:
    with mrcfile.open(shared_data / "betagal_map" / "betagal_3.54A.mrc", permissive=True) as file:
        volume = fourier_crop(torch.tensor(file.data.astype(np.float32)), 50, 3)

    def correlation(name: str) -> float:
        pair = torch.stack([volume.flatten(), symmetrise(volume, symmetry_rotations(name)).flatten()])
        return float(torch.corrcoef(pair)[0, 1])

    assert correlation("D2") > 0.999
    assert correlation("D7") < 0.9


@pytest.mark.parametrize("name", ["C1", "C3", "D2", "O"])
def test_the_asymmetric_unit_holds_one_of_the_equivalents_of_every_rotation(name: str) -> None:
    group, grid = symmetry_rotations(name), rotation_grid(2)
    unit = asymmetric_unit(grid, group, margin_deg=1e-3)
    assert len(unit) == pytest.approx(len(grid) / len(group), rel=0.15)
    equivalents = (group[:, None] @ grid[::40]).flatten(0, 1)
    angles = rotation_angle(*torch.broadcast_tensors(equivalents[:, None], unit)).amin(1)
    assert float(angles.view(len(group), -1).amin(0).max()) < 15


@pytest.mark.parametrize("name", ["C1", "C3", "D2", "D7", "T", "O", "I2", "I3"])
def test_the_asymmetric_views_hold_one_of_the_equivalents_of_every_pose(name: str) -> None:
    group, half = symmetry_rotations(name), half_turn_grid(2)
    unit = asymmetric_views(half, group, margin_deg=1e-3)
    assert len(unit) == pytest.approx(len(half) / len(group), rel=0.3)
    turned = unit * torch.tensor([-1.0, -1.0, 1.0])[:, None]
    equivalents = (rotation_grid(2)[::40, None] @ group).flatten(0, 1)
    angles = rotation_angle(*torch.broadcast_tensors(equivalents[:, None], torch.cat([unit, turned]))).amin(1)
    assert float(angles.view(-1, len(group)).amin(1).max()) < 15
