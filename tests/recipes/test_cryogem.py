"""CryoGEM as its command does it: fitted to micrographs, learnt, looked at."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from frazil.io import read_map, read_tables
from frazil.io.folder_lock import FolderLock
from frazil.methods.cryogem import CryoGEMConfig
from frazil.physics import CountedExposure, CTFRanges
from frazil.recipes.cryogem import CryoGEMTrain, evenly_taken, read_simulation, train
from frazil.recipes.cryogem_generate import CryoGEMGenerate, _simulation, generate
from frazil.recipes.fitting import match_micrographs
from frazil.recipes.simulate_micrographs import (
    ExposureOptions,
    SimulateMicrographs,
    exposure_of,
    fields_of,
    simulate_micrographs,
)

TINY = CryoGEMConfig(steps=2, crop=64, places=16, width=8, depth=2, critic_width=8)


@pytest.fixture(scope="module")
def learnt(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has hardly learnt anything."""
    out = tmp_path_factory.mktemp("learnt") / "run"
    train(options(real, out))
    return out


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three micrographs of the pseudo-protein that pass for real ones, 14 particles on each."""
    out = tmp_path_factory.mktemp("real") / "sim"
    options = SimulateMicrographs(
        models=("pseudo-protein",), out=out, count=3, size=(220, 180), pixel_size=5.0, particles=14.0, seed=8, workers=1
    )
    simulate_micrographs(replace(options, exposure=ExposureOptions(snr_db=-3.0)))
    return out


def options(fields: Path, out: Path, **changes: Any) -> CryoGEMTrain:
    base = CryoGEMTrain(
        real=fields / "micrographs",
        models=("pseudo-protein",),
        out=out,
        particle_px=22.0,
        simulated=2,
        ctf=str(fields / "micrographs.star"),
        device="cpu",
        learning=TINY,
    )
    return replace(base, **changes)


@pytest.mark.slow
def test_the_simulation_is_fitted_and_the_page_shows_all_three_kinds(real: Path, tmp_path: Path) -> None:
    assert train(options(real, tmp_path / "run")) == 0
    figures = json.loads((tmp_path / "run" / "match.json").read_text())["figures"]
    assert figures["real"]["count"] == pytest.approx(14, abs=2)
    assert figures["simulated"]["count"] == pytest.approx(figures["real"]["count"], abs=3)
    fitted = read_simulation(tmp_path / "run")
    assert fitted.exposure.snr_db == pytest.approx(-3, abs=2)
    assert fitted.pixel_size == pytest.approx(5.0, rel=0.2)
    assert len(list((tmp_path / "run" / "simulated" / "micrographs").iterdir())) == 2
    page = (tmp_path / "run" / "report.html").read_text()
    for words in ("The simulation that was fitted", "generated", "How to repeat it"):
        assert words in page


def test_of_many_micrographs_some_are_learnt_from() -> None:
    every = [Path(f"{number}.mrc") for number in range(100)]
    assert evenly_taken(every, 4) == [every[0], every[33], every[66], every[99]]
    assert evenly_taken(every, 100) == every


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": ()}, "give one MODEL or more"),
        ({"most": 0}, "--most must be 1 or more, not 0"),
        ({"simulated": 0}, "--simulated must be 1 or more"),
        ({"particle_px": 4.0}, "--particle-px 8 or more"),
        ({"resolution": 0.0}, "--resolution must be positive, it is 0"),
        ({"symmetry": "Q"}, "unknown symmetry 'Q'"),
        ({"real": Path("nowhere")}, "nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(real: Path, tmp_path: Path, changes: Any, sentence: str) -> None:
    with pytest.raises((ValueError, OSError), match=sentence):
        train(options(real, tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_generated_micrographs_are_labelled_and_the_same_whichever_jobs_make_them(learnt: Path, tmp_path: Path) -> None:
    alone = CryoGEMGenerate(run=learnt, out=tmp_path / "alone", count=3, device="cpu")
    generate(alone)
    for shard in ((1, 2), (0, 2)):
        with FolderLock(tmp_path / "jobs", f"_{1 - shard[0]}_2"):  # the other job's part
            generate(replace(alone, out=tmp_path / "jobs", shard=shard))
    files = {path.relative_to(alone.out): path for path in alone.out.rglob("*") if path.is_file()}
    for name, path in files.items():
        assert path.read_bytes() == (tmp_path / "jobs" / name).read_bytes(), name
    rows = read_tables(alone.out / "particles.star")["particles"]
    assert rows["rlnMicrographName"].nunique() == 3
    # They are no longer what was simulated, but their particles are where the tables say, and dark.
    image = read_map(alone.out / "micrographs" / "000001.mrc").volume[0]
    mask = read_map(alone.out / "masks" / "000001.mrc").volume[0]
    assert image[mask > 0].mean() < image[mask == 0].mean() - 0.1
    with pytest.raises(ValueError, match="count was 3 and is now 4"):
        generate(replace(alone, count=4))
    with pytest.raises(ValueError, match="--shard must be a number below the number of jobs"):
        generate(replace(alone, out=tmp_path / "other", shard=(2, 2)))


@pytest.mark.slow
def test_the_paper_s_preset_simulates_and_learns_as_the_paper_does(real: Path, tmp_path: Path) -> None:
    assert train(options(real, tmp_path / "run", preset="paper")) == 0
    learning = json.loads((tmp_path / "run" / "config.json").read_text())["config"]["learning"]
    assert (learning["networks"], learning["rate"], learning["steps"]) == ("published", 1e-4, 2)
    fitted = read_simulation(tmp_path / "run")
    assert fitted.exposure.mode == "paper"
    assert fitted.solvent.ice == real / "micrographs"
    assert fitted.lens.defocus == (15_000.0, 20_000.0)
    assert fitted.particles == pytest.approx(14, abs=2)


@pytest.mark.slow
def test_two_ranks_write_the_bytes_that_one_writes(learnt: Path, tmp_path: Path) -> None:
    alone = CryoGEMGenerate(run=learnt, out=tmp_path / "alone", count=3, device="cpu", workers=1)
    generate(alone)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "frazil"]
    words = ["cryogem", "generate", learnt, "--out", tmp_path / "ranks", "--count", 3, "--device", "cpu"]
    subprocess.run([*launcher, *map(str, words)], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    files = {path.relative_to(alone.out): path for path in alone.out.rglob("*") if path.is_file()}
    assert len(files) > 10
    for name, path in files.items():
        assert path.read_bytes() == (tmp_path / "ranks" / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("told", [None, 18_000.0])
def test_lenses_that_nobody_gives_are_those_of_the_particles_if_they_tell(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: float | None
) -> None:
    monkeypatch.setattr(match_micrographs, "likely_defocus", lambda *_: told)
    train(options(real, tmp_path / "run", ctf="ranges"))
    assert read_simulation(tmp_path / "run").lens.defocus == ((told, told) if told else (10_000.0, 25_000.0))
    given = CTFRanges(defocus=(12_000.0, 13_000.0))
    train(options(real, tmp_path / "given", ctf="ranges", lens=given))
    assert read_simulation(tmp_path / "given").lens.defocus == (12_000.0, 13_000.0)


def test_a_larger_micrograph_has_more_particles_as_strong_as_before(learnt: Path, tmp_path: Path) -> None:
    fitted = read_simulation(learnt)
    size = (2 * fitted.size[0], 2 * fitted.size[1])
    options = CryoGEMGenerate(run=learnt, out=tmp_path / "large", count=1, size=size, device="cpu")
    large = _simulation(options, fitted)
    assert large.particles == pytest.approx(4 * fitted.particles)
    before = exposure_of(fitted, fields_of(fitted))
    after = exposure_of(large, fields_of(large), fitted)
    assert isinstance(before, CountedExposure)
    assert isinstance(after, CountedExposure)
    assert after.contrast == pytest.approx(before.contrast)
    assert after.relative_noise == pytest.approx(before.relative_noise, rel=0.05)  # on another grid


@pytest.mark.slow
def test_a_run_whose_folder_was_moved_goes_on(real: Path, tmp_path: Path) -> None:
    train(options(real, tmp_path / "run"))
    (tmp_path / "run").rename(tmp_path / "moved")
    assert train(options(real, tmp_path / "moved")) == 0


def test_micrographs_may_be_made_without_particles(learnt: Path, tmp_path: Path) -> None:
    empty = CryoGEMGenerate(run=learnt, out=tmp_path / "empty", count=2, particles=0.0, device="cpu")
    generate(empty)
    assert not len(read_tables(empty.out / "particles.star")["particles"])
    assert not read_map(empty.out / "masks" / "000001.mrc").volume.any()
    assert read_map(empty.out / "micrographs" / "000001.mrc").volume.std() > 0.5
    with pytest.raises(ValueError, match="--particles must not be negative"):
        generate(replace(empty, particles=-1.0))
    with pytest.raises(ValueError, match="--size must be 32 or more along both sides"):
        generate(replace(empty, size=(0, 0)))


def test_a_folder_of_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no run of `frazil cryogem train`"):
        read_simulation(tmp_path)
    with pytest.raises((ValueError, OSError), match=r"config\.json"):
        generate(CryoGEMGenerate(run=tmp_path, out=tmp_path / "out", device="cpu"))


def test_settings_that_make_no_sense_are_refused() -> None:
    for changes, sentence in {
        ("steps", 0): "steps must be 1 or more",
        ("crop", 65): "crop must be a multiple of 4",
        ("depth", 6): r"crop must be a multiple of 64 .* and 128 or more, not 64",
        ("ema_decay", 1.0): "ema_decay lie in 0 ... 1",
    }.items():
        with pytest.raises(ValueError, match=sentence):
            replace(TINY, **dict([changes]))
