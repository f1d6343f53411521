"""What a table of tomograms says of how series were taken is what they were simulated with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from frazil.data.subtomograms import read_subtomograms
from frazil.data.tomograms_read import TomogramSeries, scheme_of
from frazil.geometry import fourier_transform
from frazil.io import read_tables, write_tables
from frazil.physics import CTFRanges
from frazil.physics.missing_wedge import missing_wedge
from frazil.physics.tilt_scheme import TILT_SERIES_LENS, TiltScheme
from frazil.recipes.fitting.taken_series import as_taken, correction_of
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, simulate_subtomograms

TILTS = TiltScheme((-50.0, 62.0), tilt_step=4.0, dose_per_tilt=2.5)
LENS = CTFRanges((30_000.0, 40_000.0), (200.0, 400.0), voltage_kv=200.0, cs_mm=2.0, amplitude_contrast=0.07)


def simulated(out: Path, tilts: TiltScheme) -> Path:
    """Four subtomograms of two tomograms."""
    options = SimulateSubtomograms(
        ("pseudo-protein",), out, count=4, per_tomogram=2, box=24, pixel_size=16.0, tilts=tilts, lens=LENS, workers=1
    )
    simulate_subtomograms(options)
    return out


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(tmp_path_factory.mktemp("taken") / "real", TILTS)


def test_tilts_dose_and_lenses_are_those_of_the_table(real: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subtomograms = read_subtomograms(real / "particles.star")
    tilts, lens = as_taken(real / "tomograms.star", subtomograms, TiltScheme(), TILT_SERIES_LENS)
    assert tilts.tilt_range == pytest.approx(TILTS.tilt_range)
    assert (tilts.tilt_step, tilts.dose_per_tilt) == pytest.approx((4.0, 2.5))
    assert tilts.angles.tolist() == pytest.approx(TILTS.angles.tolist())
    assert 30_000 <= lens.defocus[0] < lens.defocus[1] <= 40_000
    assert 200 <= lens.astigmatism[0] < lens.astigmatism[1] <= 400
    assert (lens.voltage_kv, lens.cs_mm, lens.amplitude_contrast) == pytest.approx((200.0, 2.0, 0.07))
    assert "tilts from -50 to 62 degrees by 4" in capsys.readouterr().out


def test_pretilts_turn_each_tomogram_and_are_told_of_its_table(tmp_path: Path) -> None:
    tilts = replace(TILTS, pretilts=(-4.0, 8.0), tilt_axis=85.0)
    out = simulated(tmp_path / "real", tilts)
    volumes = read_subtomograms(out / "particles.star")
    energy = fourier_transform(volumes.volumes(), 3).abs().square()
    for row in range(4):
        wedge = missing_wedge(tilts.of_tomogram(row // 2).series(None).rotation, 24)
        other = missing_wedge(tilts.of_tomogram(1 - row // 2).series(None).rotation, 24)
        assert energy[row][wedge].sum() < 1e-8 * energy[row].sum()
        assert energy[row][other].sum() > 1e-3 * energy[row].sum()
    found, _ = as_taken(out / "tomograms.star", volumes, TiltScheme(), TILT_SERIES_LENS)
    assert found.pretilts == pytest.approx((-6.0, 6.0))
    assert found.tilt_range == pytest.approx((-48.0, 64.0))
    assert found.tilt_axis == pytest.approx(85.0, abs=0.1)
    assert found.dose_per_tilt == pytest.approx(2.5)


def test_images_of_no_strength_are_not_counted(real: Path) -> None:
    for path in (real / "tilt_series").glob("*.star"):
        ((name, images),) = read_tables(path).items()
        images.loc[images["rlnTomoYTilt"] > 50, "rlnCtfScalefactor"] = 0.0
        write_tables(path, {name: images})
    tilts, _ = as_taken(
        real / "tomograms.star", read_subtomograms(real / "particles.star"), TiltScheme(), TILT_SERIES_LENS
    )
    assert tilts.tilt_range == pytest.approx((-50.0, 50.0))


def test_subtomograms_of_no_tomograms_are_refused(real: Path) -> None:
    volumes = read_subtomograms(real / "subtomograms")
    with pytest.raises(ValueError, match="says no tomograms"):
        as_taken(real / "tomograms.star", replace(volumes, table=None), TiltScheme(), TILT_SERIES_LENS)


@pytest.mark.parametrize("option", ["tilt_step", "dose_per_tilt", "defocus"])
def test_what_is_told_twice_is_refused(real: Path, option: str) -> None:
    table, told = real / "tomograms.star", (None, TiltScheme(), TILT_SERIES_LENS)
    as_taken(table, *told, given=("ice_thickness", "tilt_weighting", "steps"))
    with pytest.raises(ValueError, match=rf"--{option.replace('_', '-')}: .*tomograms.star says that too"):
        as_taken(table, *told, given=("steps", option))


def test_what_a_table_does_not_say_may_be_told(real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ((block, rows),) = read_tables(real / "tomograms.star").items()
    for name in rows["rlnTomoTiltSeriesStarFile"]:
        ((series, images),) = read_tables(real / str(name)).items()
        (tmp_path / str(name)).parent.mkdir(exist_ok=True)
        kept = [column for column in images if not column.startswith("rlnDefocus")]
        write_tables(tmp_path / str(name), {series: images[kept].assign(rlnMicrographPreExposure=0.0)})
    write_tables(tmp_path / "tomograms.star", {block: rows})
    told = (None, replace(TILTS, dose_per_tilt=1.5), LENS)
    tilts, lens = as_taken(tmp_path / "tomograms.star", *told, given=("dose_per_tilt", "defocus"))
    assert (tilts.dose_per_tilt, lens) == (1.5, LENS)
    assert capsys.readouterr().out.count("which it does not say") == 2


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"rlnCtfDataArePhaseFlipped": 1}, "phase-flip"),
        ({"rlnCtfDataArePhaseFlipped": 0}, "none"),
        ({"frazilCtfCorrection": "wiener", "rlnCtfDataArePhaseFlipped": 1}, "wiener"),
    ],
)
def test_what_was_done_about_the_lens_is_what_the_table_says(real: Path, columns: dict, found: str) -> None:
    volumes = read_subtomograms(real / "particles.star")
    assert volumes.table is not None
    table = volumes.table.drop(columns="frazilCtfCorrection").assign(**columns)
    assert correction_of(replace(volumes, table=table), "none" if found == "none" else None) == found


def test_volumes_that_were_multiplied_by_their_ctf_are_refused(real: Path) -> None:
    volumes = read_subtomograms(real / "particles.star")
    assert volumes.table is not None
    table = volumes.table.drop(columns="frazilCtfCorrection").assign(rlnCtfDataAreCtfPremultiplied=1)
    with pytest.raises(ValueError, match=r"rlnCtfDataAreCtfPremultiplied is 1, .*`frazil reconstruct subtomograms`"):
        correction_of(replace(volumes, table=table), None)


def test_a_table_is_taken_whole_where_no_subtomograms_are_given(real: Path) -> None:
    found, _ = as_taken(real / "tomograms.star", None, TiltScheme(), TILT_SERIES_LENS)
    assert found.tilt_step == pytest.approx(4.0)


@pytest.mark.parametrize(("kept", "says"), [(0, "lists no tomogram"), (1, "has one image, which is no tilt series")])
def test_tables_that_tell_no_tilt_series_are_refused(real: Path, tmp_path: Path, kept: int, says: str) -> None:
    ((block, rows),) = read_tables(real / "tomograms.star").items()
    own = rows.iloc[:1].assign(rlnTomoTiltSeriesStarFile=str(tmp_path / "one.star"))
    images = read_tables(real / str(rows["rlnTomoTiltSeriesStarFile"].iloc[0]))
    write_tables(tmp_path / "one.star", {name: table.iloc[:1] for name, table in images.items()})
    write_tables(tmp_path / "tomograms.star", {block: own.iloc[:kept]})
    with pytest.raises(ValueError, match=says):
        as_taken(tmp_path / "tomograms.star", None, TiltScheme(), TILT_SERIES_LENS)


def test_axes_on_both_sides_of_180_degrees_are_near_each_other(real: Path, tmp_path: Path) -> None:
    ((block, rows),) = read_tables(real / "tomograms.star").items()
    for name, turn in zip(rows["rlnTomoTiltSeriesStarFile"], (178.0, -179.0), strict=True):
        ((series, images),) = read_tables(real / str(name)).items()
        (tmp_path / str(name)).parent.mkdir(exist_ok=True)
        write_tables(tmp_path / str(name), {series: images.assign(rlnTomoZRot=turn)})
    write_tables(tmp_path / "tomograms.star", {block: rows})
    found, _ = as_taken(tmp_path / "tomograms.star", None, TiltScheme(), TILT_SERIES_LENS)
    assert abs(found.tilt_axis) == pytest.approx(179.5, abs=0.2)


@pytest.mark.parametrize(
    ("ranges", "pretilts"),
    [
        ([(-60, 60), (-60, 60), (-60, 30)], ()),
        ([(-60, 60), (-60, 60), (-60, -3)], ()),
        ([(-60, 60), (-60, 60), (-30, 30)], ()),
        ([(-60, 60), (-60, 60), (-51, 66)], (0.0, 0.0, 7.5)),
        ([(-60, 60), (-60, 60), (-40, 74)], (0.0, 0.0, 17.0)),
        ([(-60, 60), (-60, 60), (-48, 24)], ()),
        ([(-60, 60), (-60, 60), (-30, 66)], (0.0, 0.0, 6.0)),
    ],
)
def test_a_series_that_lacks_images_at_one_end_is_not_turned(ranges: list, pretilts: tuple) -> None:
    schemes = [TiltScheme((float(first), float(last)), tilt_step=3.0) for first, last in ranges]
    found = scheme_of([TomogramSeries(scheme.series(None), 1.0) for scheme in schemes], TiltScheme())
    assert found.tilt_range == (-60.0, 60.0)
    assert found.pretilts == pytest.approx(pretilts)


def test_a_phase_plate_is_the_table_s_and_two_microscopes_are_refused(real: Path, tmp_path: Path) -> None:
    ((block, rows),) = read_tables(real / "tomograms.star").items()
    (tmp_path / "tilt_series").mkdir()
    for name, shift in zip(rows["rlnTomoTiltSeriesStarFile"], (80.0, 100.0), strict=True):
        ((series, images),) = read_tables(real / str(name)).items()
        write_tables(tmp_path / str(name), {series: images.assign(rlnPhaseShift=shift)})
    write_tables(tmp_path / "tomograms.star", {block: rows})
    _, lens = as_taken(tmp_path / "tomograms.star", None, TiltScheme(), TILT_SERIES_LENS)
    assert lens.phase_shift_deg == (80.0, 100.0)
    drawn = lens.sample(50, torch.Generator().manual_seed(1)).phase_shift_deg
    assert 80 <= float(drawn.min()) < 85 < 95 < float(drawn.max()) <= 100
    write_tables(tmp_path / "tomograms.star", {block: rows.assign(rlnVoltage=[200.0, 300.0])})
    with pytest.raises(ValueError, match=r"tomograms.star: its tomograms are of several microscopes, rlnVoltage is"):
        as_taken(tmp_path / "tomograms.star", None, TiltScheme(), TILT_SERIES_LENS)
