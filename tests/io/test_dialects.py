"""Every STAR and .cs file at hand is read, or refused in one sentence."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import starfile
import torch

from frazil.io import ParticleTable, read_particles, read_tables

pytestmark = pytest.mark.data


@dataclass(frozen=True)
class Expected:
    """What a particle table says."""

    rows: int
    groups: int
    pixel_size: float
    box: int | None
    posed: bool
    first: tuple[str, int]


D = "star_dialects"
TILTS = "ribosome_tilts_warptools/warptools_test_4-tomos_10-ptcls_box-32_angpix-12"
READ = {
    f"{D}/FinalRefinement-OriginalParticles-PfCRT.star": Expected(
        5, 1, 1.035, None, True, ("Extract/job012/FinalRefinement-OriginalParticles-PfCRT.mrcs", 0)
    ),
    f"{D}/empiar_10076_7.cs": Expected(7, 1, 1.31, 320, False, ("empiar_10076_7.mrc", 0)),
    f"{D}/empiar_10076_7.star": Expected(7, 1, 1.31, None, False, ("empiar_10076_7.mrc", 0)),
    f"{D}/relion5.star": Expected(17, 1, 0.89, 448, True, ("toy_images_a.mrcs", 0)),
    f"{D}/sample_incomplete_ctf_params.star": Expected(1, 1, 1.338, None, True, ("sample.mrcs", 0)),
    f"{D}/sample_particles_relion30.star": Expected(17, 2, 1.338, None, True, ("sample.mrcs", 0)),
    f"{D}/sample_particles_relion31.star": Expected(17, 2, 1.4, None, True, ("sample.mrcs", 0)),
    f"{D}/sample_relion_one_image.star": Expected(1, 1, 1.338, None, True, ("sample_one_image.mrcs", 0)),
    f"{D}/sample_relion_symmetry_group_D4.star": Expected(17, 2, 1.338, None, True, ("sample.mrcs", 0)),
    "apoferritin_empiar10146/particles.star": Expected(1522, 1, 3.0, 64, False, ("particles.mrcs", 0)),
    "betagal_empiar10061/betagal_particles_192.star": Expected(
        101, 1, 1.274, 192, False, ("betagal_particles_192.mrcs", 0)
    ),
    f"{TILTS}.star": Expected(40, 4, 12.0, 32, True, (f"{TILTS.split('/')[1]}/Unt_083/Unt_083_12.00A_000001.mrcs", 0)),
}
NOT_PARTICLES = "lists no particle images: there is no column rlnImageName in data_"
REFUSED = {
    f"{D}/sample_data_model.star": NOT_PARTICLES + "model_general, data_model_classes",
    "apoferritin_empiar10146/coordinates.star": NOT_PARTICLES + "coordinates",
    "apoferritin_empiar10146/micrographs_ctf.star": NOT_PARTICLES + "micrographs",
    "betagal_empiar10061/micrographs_ctf_1539.star": NOT_PARTICLES + "micrographs",
    f"{TILTS}_optimisation_set.star": NOT_PARTICLES,
    f"{TILTS}_tomograms.star": NOT_PARTICLES + "global, data_Unt_083.tomostar",
}
TWO_PIXEL_SIZES = f"{D}/relion31.6opticsgroups.star"


def test_no_file_is_forgotten(shared_data: Path) -> None:
    there = {
        path.relative_to(shared_data).as_posix() for path in shared_data.rglob("*") if path.suffix in (".star", ".cs")
    }
    assert there == {*READ, *REFUSED, TWO_PIXEL_SIZES}


@pytest.mark.parametrize("name", READ)
def test_a_particle_table_is_read(shared_data: Path, name: str) -> None:
    table, expected = read_particles(shared_data / name), READ[name]
    assert len(table) == expected.rows
    assert len(table.optics) == expected.groups
    assert table.pixel_size == pytest.approx(expected.pixel_size, rel=1e-5)
    assert table.box == expected.box
    stacks, places = table.image_refs()
    assert (stacks[0], places[0]) == expected.first
    pose = table.pose()
    assert (pose is not None) == expected.posed
    if pose is not None:
        identity = torch.eye(3).expand(len(table), 3, 3)
        torch.testing.assert_close(pose.rotation @ pose.rotation.mT, identity, atol=1e-5, rtol=0)
        assert torch.isfinite(pose.shift).all()


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_without_particle_images_is_refused_in_one_sentence(shared_data: Path, name: str) -> None:
    with pytest.raises(ValueError, match=REFUSED[name]) as refusal:
        read_particles(shared_data / name)
    assert str(refusal.value).startswith(str(shared_data / name))
    assert "\n" not in str(refusal.value)


def test_six_optics_groups_of_two_pixel_sizes_are_read_but_have_no_common_one(shared_data: Path) -> None:
    table = read_particles(shared_data / TWO_PIXEL_SIZES)
    assert (len(table), len(table.optics), table.box) == (139, 6, 196)
    assert set(table.data.groupby("rlnOpticsGroup")["rlnSphericalAberration"].first()) == {2.6, 2.7}
    with pytest.raises(ValueError, match=r"two pixel sizes: 1.25 angstrom in row 1, 1.24 angstrom in row 25"):
        _ = table.pixel_size


@pytest.mark.parametrize("name", [name for name in [*READ, *REFUSED, TWO_PIXEL_SIZES] if name.endswith(".star")])
def test_tables_agree_with_starfile(shared_data: Path, name: str) -> None:
    ours, theirs = read_tables(shared_data / name), starfile.read(shared_data / name, always_dict=True)
    assert list(ours) == list(theirs)
    for block, table in theirs.items():
        table = pd.DataFrame(table, index=[0]) if isinstance(table, dict) else table
        assert list(ours[block]) == list(table)
        for column in table:
            if pd.api.types.is_numeric_dtype(ours[block][column]):
                np.testing.assert_allclose(ours[block][column], table[column].astype(float), rtol=1e-14)
            else:
                assert ours[block][column].tolist() == table[column].astype(str).tolist()


def test_the_same_particles_agree_in_cryosparc_and_relion(shared_data: Path) -> None:
    cs = read_particles(shared_data / D / "empiar_10076_7.cs")
    star = read_particles(shared_data / D / "empiar_10076_7.star")

    def numbers(table: ParticleTable) -> np.ndarray:
        columns = ["DefocusU", "DefocusV", "DefocusAngle", "Voltage", "SphericalAberration", "AmplitudeContrast"]
        return np.stack([table.numbers(f"rln{column}") for column in [*columns, "ImagePixelSize"]])

    np.testing.assert_allclose(numbers(cs), numbers(star), rtol=1e-5)
    assert cs.image_refs()[0] == star.image_refs()[0]
    np.testing.assert_array_equal(cs.image_refs()[1], star.image_refs()[1])
