"""Volumes of tilt stacks: of simulated ones, whose truth is known, and of real ones as WarpTools wrote them."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import torch

from frazil.data import pseudo_protein
from frazil.data.subtomograms import read_subtomograms
from frazil.data.tilt_tables import TomogramFrame, write_tilt_series
from frazil.geometry import (
    fourier_crop,
    fourier_transform,
    inverse_fourier_transform,
    random_rotations,
    rotate_volume,
    rotation_to_euler,
    shift_phase,
)
from frazil.io import read_map, read_tables, write_images, write_tables
from frazil.metrics import fourier_shell_correlation
from frazil.physics import make_ctf, to_fourier_volume
from frazil.physics.tilt_images import TiltTransfer, tilt_spectra
from frazil.physics.tilt_scheme import TiltScheme
from frazil.recipes.reconstruct_subtomograms import ReconstructSubtomograms, reconstruct_subtomograms

BOX, PIXEL_SIZE, COUNT = 32, 8.0, 12
WARP = "warptools_test_4-tomos_10-ptcls_box-32_angpix-12"


class Extracted(NamedTuple):
    """A folder of stacks and their tables, the structure that they show, and how each lies."""

    folder: Path
    volume: torch.Tensor
    rotation: torch.Tensor


@pytest.fixture
def extracted(tmp_path: Path) -> Extracted:
    """Stacks of one structure in many poses through a lens, with RELION 5's tables."""
    volume = fourier_crop(pseudo_protein(64, 4.0), BOX, 3)
    scheme, lens = TiltScheme((-60.0, 60.0), tilt_step=3.0, dose_per_tilt=0.0), make_ctf(torch.tensor([3e4]))
    rotation = random_rotations(COUNT, torch.Generator().manual_seed(1))
    series = scheme.series(lens)
    through = TiltTransfer.of(series, rotation, torch.zeros(COUNT, 3), BOX, PIXEL_SIZE)
    images = inverse_fourier_transform(tilt_spectra(to_fourier_volume(volume), through).flatten(0, 1), BOX)
    for number, stack in enumerate(images.unflatten(0, (COUNT, -1)), 1):
        write_images(tmp_path / f"{number}.mrcs", stack, PIXEL_SIZE)
    write_tilt_series(tmp_path, scheme, {"one": lens}, TomogramFrame((64, 64, 32), PIXEL_SIZE))
    angles = rotation_to_euler(rotation)
    columns = {f"rlnAngle{name}": angles[:, place].numpy() for place, name in enumerate(("Rot", "Tilt", "Psi"))}
    names = {"rlnTomoName": ["one"] * COUNT, "rlnImageName": [f"{number}.mrcs" for number in range(1, COUNT + 1)]}
    data = pd.DataFrame({**names, **columns, "rlnImageDimensionality": 2, "rlnImagePixelSize": PIXEL_SIZE})
    write_tables(tmp_path / "particles.star", {"particles": data})
    named = {"rlnTomoParticlesFile": ["particles.star"], "rlnTomoTomogramsFile": ["tomograms.star"]}
    write_tables(tmp_path / "set.star", {"": pd.DataFrame(named)})
    return Extracted(tmp_path, volume, rotation)


def test_volumes_and_average_are_what_was_imaged(extracted: Extracted) -> None:
    folder, volume, rotation = extracted
    reconstruct_subtomograms(ReconstructSubtomograms(folder / "set.star", folder / "out"))
    average = read_map(folder / "out" / "average.mrc").volume
    assert float(fourier_shell_correlation(average, volume, PIXEL_SIZE).correlation[1:12].min()) > 0.9
    found = read_subtomograms(folder / "out" / "particles.star")
    assert (len(found), found.box, found.pixel_size) == (COUNT, BOX, PIXEL_SIZE)
    for number, made in enumerate(found.volumes([0, 1])):
        wanted = rotate_volume(volume, rotation[number])
        crops = [fourier_crop(one, 16, 3).flatten() for one in (made, wanted)]
        assert float(torch.corrcoef(torch.stack(crops))[0, 1]) > 0.75  # a third of its views is missing


def test_stacks_of_the_visible_tilts_alone_and_particles_off_the_middle_are_understood(extracted: Extracted) -> None:
    folder, offset = extracted.folder, torch.tensor([16.0, -8.0, 24.0])
    rotation = TiltScheme((-60.0, 60.0), tilt_step=3.0).series(None).rotation
    seen = torch.arange(len(rotation)) % 7 != 3
    tables = read_tables(folder / "particles.star")["particles"]
    for number in range(1, COUNT + 1):
        stack = read_map(folder / f"{number}.mrcs").volume
        moved = fourier_transform(stack) * shift_phase((rotation @ offset)[:, :2] / PIXEL_SIZE, BOX)
        write_images(folder / f"{number}.mrcs", inverse_fourier_transform(moved, BOX)[seen], PIXEL_SIZE)
    # RELION writes the tilts alone in which a particle can be seen, and as origin what brings it to the middle.
    frames = str(seen.int().tolist()).replace(" ", "")
    origin = {f"rlnOrigin{axis}Angst": -float(value) for axis, value in zip("XYZ", offset, strict=True)}
    write_tables(folder / "particles.star", {"particles": tables.assign(rlnTomoVisibleFrames=frames, **origin)})
    reconstruct_subtomograms(ReconstructSubtomograms(folder / "set.star", folder / "out"))
    average = read_map(folder / "out" / "average.mrc").volume
    assert float(fourier_shell_correlation(average, extracted.volume, PIXEL_SIZE).correlation[1:10].min()) > 0.9


@pytest.mark.slow
def test_images_count_for_as_much_as_their_scale_says(extracted: Extracted) -> None:
    """Multiplied by a lens that grows weaker with the tilt, as WarpTools writes them: the volume does not notice."""
    folder = extracted.folder
    series = next((folder / "tilt_series").glob("*.star"))
    tables = read_tables(series)
    scale = torch.deg2rad(TiltScheme((-60.0, 60.0), tilt_step=3.0).angles).cos()
    reconstruct_subtomograms(ReconstructSubtomograms(folder / "set.star", folder / "even"))
    write_tables(series, {name: table.assign(rlnCtfScalefactor=scale.numpy()) for name, table in tables.items()})
    for number in range(1, COUNT + 1):
        stack = read_map(folder / f"{number}.mrcs").volume
        write_images(folder / f"{number}.mrcs", stack * scale[:, None, None], PIXEL_SIZE)
    reconstruct_subtomograms(ReconstructSubtomograms(folder / "set.star", folder / "scaled"))
    even, scaled = (read_map(folder / out / "average.mrc").volume for out in ("even", "scaled"))
    assert float((scaled - even).std() / even.std()) < 0.1


def test_particles_of_one_half_set_have_an_average_and_no_halves(
    extracted: Extracted, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = extracted.folder
    table = read_tables(folder / "particles.star")["particles"]
    write_tables(folder / "particles.star", {"particles": table.assign(rlnRandomSubset=1)})
    reconstruct_subtomograms(ReconstructSubtomograms(folder / "set.star", folder / "out"))
    said = capsys.readouterr().out
    assert "all particles are in one half set" in said
    assert "no rlnCenteredCoordinateXAngst" in said
    assert (folder / "out" / "average.mrc").is_file()
    assert not (folder / "out" / "half1.mrc").exists()
    write_tables(folder / "particles.star", {"particles": table.assign(rlnRandomSubset=3)})
    with pytest.raises(ValueError, match="rlnRandomSubset holds 3, not 1 and 2"):
        reconstruct_subtomograms(ReconstructSubtomograms(folder / "set.star", folder / "other"))


def test_optics_groups_of_two_kinds_are_refused(extracted: Extracted) -> None:
    folder = extracted.folder
    table = read_tables(folder / "particles.star")["particles"].drop(columns="rlnImagePixelSize")
    optics = pd.DataFrame({"rlnOpticsGroup": [1, 2], "rlnImagePixelSize": [8.0, 4.0]})
    data = table.assign(rlnOpticsGroup=[1 + (row > 5) for row in range(COUNT)])
    write_tables(folder / "particles.star", {"optics": optics, "particles": data})
    with pytest.raises(ValueError, match=r"rlnImagePixelSize is 8, 4 in its optics groups; take one at a time"):
        reconstruct_subtomograms(ReconstructSubtomograms(folder / "set.star", folder / "out"))


def test_what_is_wrong_with_tables_is_said_in_a_sentence(extracted: Extracted) -> None:
    folder, volume, _ = extracted
    with pytest.raises(ValueError, match="say how its tilt series were taken, --tomograms"):
        reconstruct_subtomograms(ReconstructSubtomograms(folder / "particles.star", folder / "out"))
    (folder / "other.star").write_text("data_global\nloop_\n_rlnTomoName #1\ntwo\n")
    with pytest.raises(ValueError, match=r"other.star: says nothing of the tomogram one"):
        reconstruct_subtomograms(
            ReconstructSubtomograms(folder / "particles.star", folder / "out", folder / "other.star")
        )
    write_images(folder / "2.mrcs", volume[:7], PIXEL_SIZE)
    with pytest.raises(
        ValueError, match=r"row 2: .*2.mrcs holds 7 images, its tomogram's series has 41, 41 of them visible"
    ):
        reconstruct_subtomograms(ReconstructSubtomograms(folder / "set.star", folder / "out"))


@pytest.mark.slow
@pytest.mark.data
def test_warptools_ribosomes_make_the_average_that_lies_beside_them(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "ribosome_tilts_warptools"
    reconstruct_subtomograms(ReconstructSubtomograms(folder / f"{WARP}_optimisation_set.star", tmp_path / "out"))
    reference = read_map(folder / "warptools_test_box-32_angpix-12_reconstruct.mrc")
    mirrored = reference.volume.flip(0).roll(1, 0)  # its makers turned the hand
    average = read_map(tmp_path / "out" / "average.mrc")
    fsc = fourier_shell_correlation(average.volume, mirrored, reference.pixel_size).correlation
    # Of 40 particles, the file's of many more: their own halves foretell 0.9 at 200 angstrom and 0.5 at 60.
    assert float(fsc[1]) > 0.9
    assert float(fsc[6]) > 0.45
