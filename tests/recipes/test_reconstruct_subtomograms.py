"""Volumes of tilt stacks: of simulated ones, whose truth is known, and of real ones as WarpTools wrote them."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import torch

from frazil.data import pseudo_protein
from frazil.data.subtomograms import read_subtomograms
from frazil.data.tilt_stacks import read_tilt_stacks
from frazil.data.tomograms_read import molecules_of
from frazil.data.tomograms_written import TomogramFrame, write_tilt_series
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
from frazil.physics.tilt_scheme import TiltScheme
from frazil.physics.tilt_transfer import TiltTransfer, tilt_spectra
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
    reconstruct_subtomograms(ReconstructSubtomograms(folder / "set.star", folder / "out", correction="wiener"))
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


def test_turned_boxes_become_boxes_that_lie_as_their_tomogram(extracted: Extracted) -> None:
    folder, rotation = extracted.folder, extracted.rotation
    turn = random_rotations(COUNT, torch.Generator().manual_seed(2))
    table = read_tables(folder / "particles.star")["particles"]
    for prefix, angles in (
        ("rlnTomoSubtomogram", rotation_to_euler(turn)),
        ("rlnAngle", rotation_to_euler(turn.transpose(1, 2) @ rotation)),
    ):
        table = table.assign(
            **{f"{prefix}{name}": angles[:, k].numpy() for k, name in enumerate(("Rot", "Tilt", "Psi"))}
        )
    write_tables(folder / "particles.star", {"particles": table})
    reconstruct_subtomograms(ReconstructSubtomograms(folder / "set.star", folder / "out"))
    average = read_map(folder / "out" / "average.mrc").volume
    assert float(fourier_shell_correlation(average, extracted.volume, PIXEL_SIZE).correlation[1:10].min()) > 0.9
    made = read_subtomograms(folder / "out" / "particles.star").table
    assert made is not None
    assert "rlnTomoSubtomogramRot" not in made
    assert torch.allclose(molecules_of(made, folder).rotation, rotation, atol=1e-4)


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


def altered(table: Path, **columns: object) -> None:
    """The same table with another value of some columns in its first row."""
    tables = read_tables(table)
    block, rows = next((name, rows) for name, rows in tables.items() if len(rows))
    for name, value in columns.items():
        values = rows[name].astype(object) if name in rows else pd.Series([1] * len(rows), dtype=object)
        values.iloc[0] = value
        rows = rows.assign(**{name: values})
    write_tables(table, {**tables, block: rows})


@pytest.mark.parametrize(
    ("table", "column", "value", "sentence"),
    [
        ("particles.star", "rlnAngleTilt", "abc", r"particles.star, row 1: rlnAngleTilt is abc"),
        ("particles.star", "rlnImageName", "2.mrcs", r"particles.star, row 2: .*2.mrcs stands in row 1 already"),
        ("particles.star", "rlnAngleRot", "nan", r"particles.star, row 1: rlnAngleRot is nan"),
        (
            "particles.star",
            "rlnImageDimensionality",
            3,
            r"volumes already, not stacks of .* \(rlnImageDimensionality 3",
        ),
        ("particles.star", "rlnImagePixelSize", -8, r"row 1: rlnImagePixelSize is -8$"),
        ("particles.star", "rlnImagePixelSize", 4, r"row 1: rlnImagePixelSize is 4, and the header .* says 8"),
        ("particles.star", "rlnImageSize", 48, r"rlnImageSize is 48, but .*1.mrcs has images of 32 px"),
        ("particles.star", "rlnRandomSubset", 1.5, r"row 1: rlnRandomSubset is 1.5, no whole number"),
        ("particles.star", "rlnTomoVisibleFrames", "[1,1]", r"row 1: rlnTomoVisibleFrames has 2 entries, .* 41 images"),
        ("particles.star", "rlnTomoVisibleFrames", "[1,x]", r"row 1: rlnTomoVisibleFrames is \[1,x\], not \[0 or 1"),
        ("tomograms.star", "rlnTomoHand", 0, r"tomograms.star, one: rlnTomoHand is 0, not 1 or -1"),
        ("tilt_series/one.star", "rlnDefocusU", "foo", r"tomograms.star, one, row 1: rlnDefocusU is foo"),
        ("tilt_series/one.star", "rlnTomoYTilt", "nan", r"tomograms.star, one, row 1: rlnTomoYTilt is nan"),
    ],
)
def test_values_that_make_no_sense_are_refused_before_anything_is_written(
    extracted: Extracted, table: str, column: str, value: object, sentence: str
) -> None:
    altered(extracted.folder / table, **{column: value})
    with pytest.raises(ValueError, match=sentence):
        reconstruct_subtomograms(ReconstructSubtomograms(extracted.folder / "set.star", extracted.folder / "out"))
    assert not (extracted.folder / "out").exists()


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (("[5, 0, 0, 0]", "[0, 1, 0, 0]", "[0, 0, 1, 0]"), r"row 1: rlnTomoProjX, Y and Z are no rotation's"),
        (("[1, oops, 0, 0]", "[0, 1, 0, 0]", "[0, 0, 1, 0]"), r"row 1: rlnTomoProjX is \[1, oops, 0, 0\], not four"),
    ],
)
def test_projections_that_are_none_are_refused(extracted: Extracted, rows: tuple[str, str, str], sentence: str) -> None:
    series = extracted.folder / "tilt_series" / "one.star"
    tables = read_tables(series)
    block, images = next(iter(tables.items()))
    named = {
        f"rlnTomoProj{axis}": ["[1, 0, 0, 0]", "[0, 1, 0, 0]", "[0, 0, 1, 0]"][place]
        for place, axis in enumerate("XYZ")
    }
    write_tables(series, {block: images.assign(**named)})
    altered(series, **dict(zip(named, rows, strict=True)))
    with pytest.raises(ValueError, match=sentence):
        reconstruct_subtomograms(ReconstructSubtomograms(extracted.folder / "set.star", extracted.folder / "out"))


def test_tomograms_that_are_given_stand_in_for_those_of_the_set(extracted: Extracted) -> None:
    folder = extracted.folder
    for columns, sentence in (({}, "say how its tilt series were taken"), ({"rlnTomoTomogramsFile": ["gone"]}, "gone")):
        write_tables(folder / "set.star", {"": pd.DataFrame({"rlnTomoParticlesFile": ["particles.star"], **columns})})
        with pytest.raises((ValueError, FileNotFoundError), match=sentence):
            read_tilt_stacks(folder / "set.star")
        assert len(read_tilt_stacks(folder / "set.star", folder / "tomograms.star")) == COUNT


def test_stacks_of_two_sides_are_refused(extracted: Extracted) -> None:
    write_images(extracted.folder / "3.mrcs", torch.zeros(41, 24, 24), PIXEL_SIZE)
    with pytest.raises(ValueError, match=r"row 3: .*3.mrcs has images of 24 px, row 1 of 32"):
        reconstruct_subtomograms(ReconstructSubtomograms(extracted.folder / "set.star", extracted.folder / "out"))


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
