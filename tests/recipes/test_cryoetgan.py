"""CryoETGAN as a user runs it: the simulation is fitted, what is generated is labelled, bytes follow from the seed."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from frazil.data.subtomograms import read_subtomograms
from frazil.geometry import centred_coordinates, fourier_transform, frequency_grid, inverse_fourier_transform
from frazil.io import read_map, read_tables, write_map, write_tables
from frazil.methods.cryoetgan import CryoETGAN, CryoETGANConfig, method
from frazil.metrics.volume_spectra import sector_distances, sector_power
from frazil.nets.published_volume_translator import PublishedVolumeCritic, PublishedVolumeTranslator
from frazil.physics.missing_wedge import missing_wedge
from frazil.physics.tilt_scheme import TiltScheme
from frazil.recipes.cryoetgan import CryoETGANTrain, train
from frazil.recipes.cryoetgan_generate import CryoETGANGenerate, generate
from frazil.recipes.cryoetgan_tomogram import CryoETGANTomogram, tomogram
from frazil.recipes.simulate_subtomograms import SimulateSubtomograms, simulate_subtomograms

MODELS = ("pseudo-protein", "membrane")
TILTS = TiltScheme((-50.0, 60.0), tilt_step=5.0)


def options(real: Path, out: Path, **changes: Any) -> CryoETGANTrain:
    learning = CryoETGANConfig(steps=6, batch_size=2, width=4, critic_width=4)
    return replace(CryoETGANTrain(real, MODELS, out, simulated=32, learning=learning, given=("defocus",)), **changes)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real subtomograms of coloured noise and another range of tilts, and a run that has seen them."""
    folder = tmp_path_factory.mktemp("cryoetgan")
    (folder / "noise.txt").write_text("0 4\n0.01 2\n0.02 1\n0.04 1\n")
    real = SimulateSubtomograms(
        MODELS, folder / "real", count=96, box=24, pixel_size=16.0, snr_db=-6.0, tilts=TILTS, seed=7, workers=1
    )
    simulate_subtomograms(replace(real, noise=str(folder / "noise.txt")))
    assert train(options(folder / "real" / "particles.star", folder / "run")) == 0
    return folder / "run"


def generated(run: Path, name: str, **changes: Any) -> Path:
    out = run.parent / name
    generate(replace(CryoETGANGenerate(run, out, count=12, workers=1, device="cpu"), **changes))
    return out


@pytest.mark.slow
def test_the_range_of_tilts_the_noise_and_the_strength_are_found(run: Path) -> None:
    figures = json.loads((run / "match.json").read_text())["figures"]
    assert figures["first_tilt"] == pytest.approx(-50, abs=3)
    assert figures["last_tilt"] == pytest.approx(60, abs=3)
    assert figures["snr_db"] == pytest.approx(-6, abs=1.5)
    real = sector_power(read_subtomograms(run.parent / "real" / "particles.star").volumes())
    fitted = sector_power(read_subtomograms(run / "simulated" / "particles.star").volumes())
    assert float(sector_distances(real, fitted)[:2].max()) < 0.3


@pytest.mark.slow
def test_what_is_generated_is_labelled_and_stays_out_of_the_wedge(run: Path) -> None:
    out = generated(run, "generated")
    table = read_tables(out / "particles.star")["particles"]
    assert table["rlnClassNumber"].tolist() == [1, 2] * 6
    volumes = read_subtomograms(out / "particles.star").volumes()
    energy = fourier_transform(volumes, 3).abs().square().sum(0)
    fitted = json.loads((run / "match.json").read_text())["simulation"]["tilts"]["tilt_range"]
    wedge = missing_wedge(TiltScheme((fitted[0], fitted[1])).series(None).rotation, 24)
    assert float(energy[wedge].sum() / energy[~wedge].sum()) < 0.01
    assert (run / "report.html").is_file()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_more_draws_say_how_sure_it_is(run: Path) -> None:
    first, again = generated(run, "first"), generated(run, "again", workers=2)
    for path in sorted((first / "subtomograms").iterdir()):
        assert path.read_bytes() == (again / "subtomograms" / path.name).read_bytes()
    several = generated(run, "several", draws=3)
    spread = read_map(several / "uncertainty" / "000001.mrc").volume
    assert float(spread.min()) >= 0
    assert float(spread.max()) > 0


@pytest.mark.slow
def test_two_ranks_write_the_bytes_that_one_writes(run: Path, tmp_path: Path) -> None:
    alone = generated(run, "alone", draws=2)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "frazil"]
    words = ["cryoetgan", "generate", run, "--out", tmp_path / "ranks", "--count", 12, "--draws", 2, "--device", "cpu"]
    subprocess.run([*launcher, *map(str, words)], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    files = {path.relative_to(alone): path for path in alone.rglob("*") if path.is_file()}
    assert len(files) > 24
    for name, path in files.items():
        assert path.read_bytes() == (tmp_path / "ranks" / name).read_bytes(), name


@pytest.mark.slow
def test_a_translator_that_is_told_the_class_keeps_to_the_models_it_learnt_with(run: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    learning = CryoETGANConfig(steps=6, batch_size=2, width=4, critic_width=4, conditional=True)
    assert train(options(run.parent / "real" / "particles.star", told, learning=learning)) == 0
    assert len(read_subtomograms(generated(told, "small") / "particles.star")) == 12
    with pytest.raises(ValueError, match="--models: a run that learnt with --conditional"):
        generated(told, "others", models=("membrane",))
    with pytest.raises(ValueError, match="it makes volumes of one class each, and no tomograms"):
        tomogram(CryoETGANTomogram(told, tmp_path / "whole", size=(48, 48, 48), molecules=1, vesicles=0))
    assert not (tmp_path / "whole").exists()


@pytest.mark.slow
def test_each_class_has_both_half_sets(run: Path) -> None:
    table = read_tables(generated(run, "halves") / "particles.star")["particles"]
    assert table.groupby("rlnClassNumber")["rlnRandomSubset"].nunique().tolist() == [2, 2]


def test_from_bare_densities_the_wedge_is_the_translator_s_to_empty() -> None:
    seen = ~missing_wedge(TILTS.series(None).rotation, 24)
    volumes, change = torch.randn(2, 24, 24, 24), torch.randn(2, 24, 24, 24)
    simulated = inverse_fourier_transform(fourier_transform(volumes, 3) * seen, 24, 3)
    for start, given, free in (("physics", simulated, False), ("density", volumes, True)):
        learning = CryoETGANConfig(start=start, width=4, critic_width=4)
        made = CryoETGAN(learning, seen, 0)._finished(given, given + change)
        energy = fourier_transform(made, 3).abs().square()
        assert bool(energy[:, ~seen].sum() > 1e-6 * energy.sum()) == free


def test_each_volume_keeps_its_own_wedge() -> None:
    tilts = replace(TILTS, pretilts=(-10.0, 10.0))
    seen = torch.stack([~missing_wedge(tilts.of_tomogram(one).series(None).rotation, 24) for one in range(2)])
    sphere = frequency_grid(24, 1.0, 3).norm(dim=-1) < 0.5
    volumes, change = torch.randn(2, 24, 24, 24), torch.randn(2, 24, 24, 24)
    simulated = inverse_fourier_transform(fourier_transform(volumes, 3) * seen, 24, 3)
    made = CryoETGAN(CryoETGANConfig(width=4, critic_width=4), seen[0], 0)._finished(simulated, simulated + change)
    energy = fourier_transform(made, 3).abs().square()
    for own, one in zip(energy, seen, strict=True):
        assert own[~one & sphere].sum() < 1e-6 * own.sum()
        assert own[one & sphere & (own < 1e-3 * own.mean())].numel() < 0.01 * own.numel()


@pytest.mark.slow
def test_what_is_generated_is_taken_like_the_tomograms_of_a_table(run: Path) -> None:
    tilts = TiltScheme((-40.0, 48.0), tilt_step=4.0, dose_per_tilt=3.0, pretilts=(-8.0, 8.0))
    made = []
    for dose in (3.0, 0.3):
        taken = run.parent / f"taken {dose}"
        scheme = replace(tilts, dose_per_tilt=dose)
        simulate_subtomograms(SimulateSubtomograms(MODELS, taken, 2, 24, 16.0, per_tomogram=1, tilts=scheme, workers=1))
        out = generated(run, f"like {dose}", tomograms=taken / "tomograms.star")
        made.append(read_subtomograms(out / "particles.star").volumes())
    energy = fourier_transform(made[0], 3).abs().square()
    for row, own in enumerate(energy):
        wedge, other = (missing_wedge(tilts.of_tomogram(row + k).series(None).rotation, 24) for k in (0, 1))
        assert own[wedge].sum() < 0.01 * own.sum() < own[other].sum()
    strong, weak = (float(volumes[:, 8:16, 8:16, 8:16].mean()) for volumes in made)
    assert strong > 1.5 * weak  # as much noise of a tenth of the electrons


@pytest.mark.slow
def test_a_series_without_a_dose_is_generated_as_it_was_and_tells_nothing_of_others(run: Path, tmp_path: Path) -> None:
    real, tilts = run.parent / "real" / "particles.star", replace(TILTS, dose_per_tilt=0.0)
    learning = CryoETGANConfig(steps=1, batch_size=2, width=4, critic_width=4)
    assert train(options(real, tmp_path / "run", learning=learning, tilts=tilts)) == 0
    assert len(read_subtomograms(generated(tmp_path / "run", "small") / "particles.star")) == 12
    with pytest.raises(ValueError, match="learnt with --dose-per-tilt 0, which tells nothing of the noise at 3 electr"):
        generated(tmp_path / "run", "others", tomograms=run.parent / "real" / "tomograms.star")


@pytest.mark.slow
def test_masked_subtomograms_are_refused(run: Path, tmp_path: Path) -> None:
    real = run.parent / "real"
    shutil.copytree(real, tmp_path / "real")
    mask = centred_coordinates(24, 3).norm(dim=-1) < 10
    for path in (tmp_path / "real" / "subtomograms").iterdir():
        density = read_map(path)
        write_map(path, density.volume * mask, density.pixel_size)
    with pytest.raises(ValueError, match="the real subtomograms are masked: beside the molecules"):
        train(options(tmp_path / "real" / "particles.star", tmp_path / "run"))


@pytest.mark.slow
def test_other_structures_can_be_generated_than_those_it_learnt_with(run: Path) -> None:
    out = generated(run, "other", models=("membrane",))
    assert set(read_tables(out / "particles.star")["particles"]["rlnClassNumber"]) == {1}
    assert len(list((out / "truth").glob("*.mrc"))) == 1
    # What is beside a molecule is noise of the same strength, relative to which this one is weaker.
    assert read_subtomograms(out / "particles.star").box == 24


@pytest.mark.slow
def test_a_tomogram_by_tiles_is_the_one_at_once_and_its_labels_are_there(run: Path, tmp_path: Path) -> None:
    made = CryoETGANTomogram(run, tmp_path / "one", size=(72, 64, 48), molecules=4, vesicles=0, device="cpu")
    tomogram(made)
    with mock.patch.object(method, "_TILE", 32):
        tomogram(replace(made, out=tmp_path / "tiles"))
    whole, tiled = (read_map(tmp_path / name / "tomograms" / "tomogram_0001.mrc").volume for name in ("one", "tiles"))
    assert whole.shape == (48, 64, 72)
    assert torch.allclose(whole, tiled, atol=1e-4)
    assert not (tmp_path / "one" / "even").exists()
    listed = read_tables(tmp_path / "one" / "tomograms.star")["global"]
    named = [name for column in listed if "ReconstructedTomogram" in column for name in listed[column]]
    assert named == ["tomograms/tomogram_0001.mrc"]
    assert len(read_tables(tmp_path / "one" / "particles.star")["particles"]) == 4
    simulated = read_map(tmp_path / "one" / "instances" / "tomogram_0001.mrc").volume
    assert whole[simulated > 0].mean() > whole[simulated == 0].mean()


def test_the_paper_s_networks_have_the_published_numbers_of_weights() -> None:
    translator, critic = PublishedVolumeTranslator(), PublishedVolumeCritic()
    counts = [sum(value.numel() for value in net.parameters()) for net in (translator, critic)]
    assert [round(count / 1e6, 2) for count in counts] == [7.12, 11.05]
    volumes = torch.randn(1, 24, 24, 24)
    made = translator(volumes, translator.noise(volumes, torch.Generator().manual_seed(0)))
    assert made.shape == volumes.shape
    assert critic(made).shape == (1, 1, 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["paper", "aitom"])
def test_the_presets_start_from_bare_densities_and_go_there_and_back(run: Path, tmp_path: Path, preset: Any) -> None:
    learning = CryoETGANConfig(steps=1)
    real = run.parent / "real" / "particles.star"
    assert train(options(real, tmp_path / "run", preset=preset, simulated=4, learning=learning)) == 0
    match = json.loads((tmp_path / "run" / "match.json").read_text())["simulation"]
    assert match["mode"] == "density"
    log = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert {"kept", "realism", "critic_loss"} <= set(log)


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_volumes(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run.parent / "real", tmp_path / "real")
    real = tmp_path / "real" / "particles.star"
    learning = CryoETGANConfig(steps=2, batch_size=2, width=4, critic_width=4)
    assert train(options(real, tmp_path / "run", learning=learning)) == 0
    first = read_subtomograms(real).paths[0]
    write_map(first, torch.randn(24, 24, 24), 16.0)
    with pytest.raises(ValueError, match=f"{first.name}: is not what it was when the run in"):
        train(options(real, tmp_path / "run", learning=learning))


@pytest.mark.slow
def test_dark_protein_is_turned_and_that_is_said(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    real = run.parent / "real"
    dark = tmp_path / "dark"
    shutil.copytree(real, dark)
    for path in (dark / "subtomograms").iterdir():
        density = read_map(path)
        write_map(path, -density.volume, density.pixel_size)
    assert train(options(dark / "particles.star", tmp_path / "run")) == 0
    assert "protein is dark, and is turned" in capsys.readouterr().out
    found, alike = (json.loads((one / "match.json").read_text())["figures"] for one in (tmp_path / "run", run))
    assert found == alike


@pytest.mark.slow
def test_what_will_not_do_is_refused_in_a_sentence(run: Path, tmp_path: Path) -> None:
    real = run.parent / "real" / "particles.star"
    with pytest.raises(ValueError, match="give one MODEL or more"):
        train(options(real, tmp_path / "out", models=()))
    with pytest.raises(ValueError, match="--simulated 1: fewer subtomograms than models"):
        train(options(real, tmp_path / "out", simulated=1))
    with pytest.raises(ValueError, match=r"holds no run of `frazil cryoetgan train`"):
        generated(tmp_path, "nothing")
    with pytest.raises(ValueError, match=r"--correction wiener: .* says phase-flip, frazilCtfCorrection"):
        train(options(real, tmp_path / "out", correction="wiener"))
    with pytest.raises(ValueError, match="--pretilts: give --tilt-range too"):
        train(options(real, tmp_path / "out", tilts=TiltScheme(pretilts=(-5.0, 5.0))))
    with pytest.raises(ValueError, match="--max-minutes must be positive, it is -1"):
        train(options(real, tmp_path / "out", max_minutes=-1.0))
    tables = read_tables(real)
    strange = real.with_name("strange.star")
    write_tables(strange, tables | {"optics": tables["optics"].assign(frazilCtfCorrection="weird")})
    with pytest.raises(ValueError, match=r"frazilCtfCorrection is weird, none of none, phase-flip, wiener"):
        train(options(strange, tmp_path / "out"))
    (tmp_path / "fine").mkdir()
    for number in range(2):
        write_map(tmp_path / "fine" / f"{number}.mrc", torch.randn(24, 24, 24), 2.0)
    with pytest.raises(ValueError, match=r"boxes of 24 voxels of 2 angstrom 24.0; is that the voxel size"):
        train(options(tmp_path / "fine", tmp_path / "out"))
    small = CryoETGANConfig(networks="published")
    with pytest.raises(ValueError, match="boxes of 24 voxels are too small for the paper's critic: give --no-turns"):
        train(options(real, tmp_path / "out", learning=small))
    with pytest.raises(ValueError, match="sides must be multiples of 4 voxels, one has 50"):
        tomogram(CryoETGANTomogram(run, tmp_path / "out", size=(48, 50, 48), molecules=1, vesicles=0))
    with pytest.raises(ValueError, match="--draws must be 1 or more, not 0"):
        generated(run, "none", draws=0)
    with pytest.raises(ValueError, match="the networks take boxes of 24 voxels or more, a multiple of 4, not 22"):
        CryoETGAN(CryoETGANConfig(), torch.ones(22, 22, 12, dtype=torch.bool), 0)
    with pytest.raises(ValueError, match="the published networks are not told of classes: leave out --conditional"):
        CryoETGANConfig(networks="published", conditional=True)
    with pytest.raises(ValueError, match="rate must be positive"):
        CryoETGANConfig(rate=0.0)
    assert not (tmp_path / "out").exists()
