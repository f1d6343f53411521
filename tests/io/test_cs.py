"""cryoSPARC's structured arrays."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from frazil.io import read_particles

FIELDS = [
    ("uid", "<u8"),
    ("blob/path", "S30"),
    ("blob/idx", "<u4"),
    ("blob/shape", "<u4", (2,)),
    ("blob/psize_A", "<f4"),
    ("ctf/df_angle_rad", "<f4"),
    ("ctf/phase_shift_rad", "<f4"),
    ("ctf/df1_A", "<f4"),
    ("ctf/cs_mm", "<f4"),
    ("ctf/exp_group_id", "<u4"),
    ("alignments3D/pose", "<f4", (3,)),
    ("alignments3D/shift", "<f4", (2,)),
    ("alignments3D/split", "<u4"),
]


@pytest.fixture
def particles() -> np.ndarray:
    array = np.zeros(5, FIELDS)
    array["uid"] = [50, 10, 40, 20, 30]
    array["blob/path"] = b">J1/imported/stack.mrc"
    array["blob/idx"] = [4, 3, 2, 1, 0]
    array["blob/shape"], array["blob/psize_A"] = 64, 1.5
    array["ctf/df_angle_rad"], array["ctf/phase_shift_rad"] = np.pi / 6, np.pi / 2
    array["ctf/cs_mm"], array["ctf/exp_group_id"] = 2.7, [9, 9, 4, 4, 4]
    array["alignments3D/pose"] = np.random.randn(5, 3)
    array["alignments3D/shift"] = [2.0, -4.0]
    array["alignments3D/split"] = [0, 1, 0, 1, 1]
    return array


def save(path: Path, array: np.ndarray) -> Path:
    with open(path, "wb") as file:
        np.save(file, array)
    return path


def test_images_are_counted_from_zero_and_imported_paths_lose_their_mark(tmp_path: Path, particles: np.ndarray) -> None:
    table = read_particles(save(tmp_path / "p.cs", particles))
    stacks, places = table.image_refs()
    assert set(stacks) == {"J1/imported/stack.mrc"}
    assert places.tolist() == [4, 3, 2, 1, 0]
    assert (table.box, table.pixel_size) == (64, 1.5)


def test_radians_become_degrees_and_experiments_optics_groups(tmp_path: Path, particles: np.ndarray) -> None:
    table = read_particles(save(tmp_path / "p.cs", particles))
    np.testing.assert_allclose(table.numbers("rlnDefocusAngle"), 30, rtol=1e-6)
    np.testing.assert_allclose(table.numbers("rlnPhaseShift"), 90, rtol=1e-6)
    assert table.data["rlnOpticsGroup"].tolist() == [1, 1, 2, 2, 2]
    assert table.optics["rlnSphericalAberration"].tolist() == [2.7, 2.7]
    assert table.data["rlnRandomSubset"].tolist() == [1, 2, 1, 2, 2]


def test_a_rotation_vector_is_the_inverse_of_relions_matrix(tmp_path: Path, particles: np.ndarray) -> None:
    pose = read_particles(save(tmp_path / "p.cs", particles)).pose()
    assert pose is not None
    vectors = Rotation.from_rotvec(particles["alignments3D/pose"])
    torch.testing.assert_close(pose.rotation, torch.tensor(vectors.inv().as_matrix()).float(), atol=1e-5, rtol=0)


def test_a_turn_about_the_beam_is_relions_psi_of_the_same_sign(tmp_path: Path, particles: np.ndarray) -> None:
    particles["alignments3D/pose"] = [0, 0, np.deg2rad(25)]
    table = read_particles(save(tmp_path / "p.cs", particles))
    np.testing.assert_allclose(table.numbers("rlnAngleRot") + table.numbers("rlnAnglePsi"), 25, rtol=1e-5)


def test_a_shift_in_pixels_becomes_relions_origin_in_angstrom(tmp_path: Path, particles: np.ndarray) -> None:
    table = read_particles(save(tmp_path / "p.cs", particles))
    pose = table.pose()
    assert pose is not None
    assert table.data["rlnOriginXAngst"].tolist() == [3.0] * 5
    assert pose.shift[0].tolist() == [-3.0, 6.0]


def test_what_is_left_to_the_passthrough_file_is_matched_by_particle(tmp_path: Path, particles: np.ndarray) -> None:
    fields = list(particles.dtype.names or ())
    kept = ["uid", *[name for name in fields if name.startswith("alignments3D")]]
    beside = save(tmp_path / "cryosparc_P1_J2_passthrough_particles.cs", particles[::-1][["uid", *fields[1:10]]])
    table = read_particles(save(tmp_path / "cryosparc_P1_J2_004_particles.cs", particles[kept]))
    whole = read_particles(save(tmp_path / "whole.cs", particles))
    assert table.data.equals(whole.data[list(table.data)])
    assert (table.beside, whole.beside) == ((beside,), ())


def test_of_several_passthrough_files_that_of_the_particles_is_taken(tmp_path: Path, particles: np.ndarray) -> None:
    own, other = particles[:3], particles[3:]
    beside = [
        save(tmp_path / f"J2_passthrough_particles_class_{number}.cs", part) for number, part in enumerate((own, other))
    ]
    table = read_particles(save(tmp_path / "class_1.cs", other[["uid", "alignments3D/pose"]]))
    assert table.beside == (beside[1],)
    with pytest.raises(ValueError, match=r"all.cs lists no .* not one passthrough file alone beside it lists its"):
        read_particles(save(tmp_path / "all.cs", particles[["uid", "alignments3D/pose"]]))


def test_aberrations_are_kept_where_there_are_any(tmp_path: Path, particles: np.ndarray) -> None:
    array = np.zeros(5, [*FIELDS, ("ctf/tilt_A", "<f4", (2,)), ("ctf/anisomag", "<f4", (4,))])
    for name in particles.dtype.names or ():
        array[name] = particles[name]
    array["ctf/tilt_A"][1] = [0, 2.5]
    table = read_particles(save(tmp_path / "p.cs", array))
    assert table.data["cryosparcTilt"].tolist() == ["[0,0]", "[0,2.5]", *["[0,0]"] * 3]
    assert "cryosparcAnisotropicMagnification" not in table.data


def test_a_particle_missing_from_the_passthrough_file_is_refused(tmp_path: Path, particles: np.ndarray) -> None:
    save(tmp_path / "J2_passthrough_particles.cs", particles[:3])
    with pytest.raises(ValueError, match=r"p\.cs, row 4: particle is missing in .*passthrough_particles\.cs"):
        read_particles(save(tmp_path / "p.cs", particles[["uid", "alignments3D/pose"]]))


def test_a_file_without_images_is_refused(tmp_path: Path, particles: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"p\.cs lists no particle images: it has no field blob/path"):
        read_particles(save(tmp_path / "p.cs", particles[["uid", "alignments3D/pose"]]))


def test_a_file_without_rows_is_refused(tmp_path: Path, particles: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"p\.cs lists no particle images: its table has no rows"):
        read_particles(save(tmp_path / "p.cs", particles[:0]))


def test_a_text_is_not_a_cryosparc_file(tmp_path: Path) -> None:
    (tmp_path / "p.cs").write_text("hello")
    with pytest.raises(ValueError, match=r"p\.cs is not a cryoSPARC file: it is no NumPy array"):
        read_particles(tmp_path / "p.cs")


def test_code_in_a_pickled_array_is_not_run(tmp_path: Path) -> None:
    with open(tmp_path / "p.cs", "wb") as file:
        np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"p\.cs is not a cryoSPARC file"):
        read_particles(tmp_path / "p.cs")


def test_an_array_without_fields_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"its array has no named fields"):
        read_particles(save(tmp_path / "p.cs", np.zeros(3)))
