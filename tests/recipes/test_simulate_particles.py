"""Simulated data sets: what the table says is what the images show, and nothing is left half done."""

import errno
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tyro

from frazil.data import ctf_of_table
from frazil.data.heterogeneity import Heterogeneity
from frazil.data.measured_curves import noise_power
from frazil.data.specimens import read_specimen
from frazil.geometry import centred_coordinates, rotate_volume, shell_index, symmetry_rotations
from frazil.io import ImageStack, StackWriter, read_map, read_particles, write_map, write_particles
from frazil.physics import CTFRanges, colour_noise, form_images, radial_power, signal_to_noise_db, white_noise
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles

PDB = """\
ATOM      1  CA  ALA A   1      10.000   2.000   3.000  1.00 20.00           C
ATOM      2  CB  ALA A   1      -8.000   1.000  -7.000  1.00 20.00           C
ATOM      3  SG  CYS A   2       2.000  12.000   5.000  1.00 20.00           S
END
"""


def options(out: Path, **changes: Any) -> SimulateParticles:
    """A small data set of the pseudo-protein."""
    base = SimulateParticles(
        model="pseudo-protein", out=out, box=32, pixel_size=6.0, count=20, snr_db=-5.0, seed=7, workers=1
    )
    return replace(base, **changes)


def simulated(out: Path, **changes: Any) -> torch.Tensor:
    """The images written."""
    simulate_particles(options(out, **changes))
    stack = ImageStack(out / "particles.mrcs")
    return torch.from_numpy(stack.read(range(len(stack))))


def test_the_snr_written_is_the_snr_asked_for(tmp_path: Path) -> None:
    noisy = simulated(tmp_path / "noisy", count=300, snr_db=-7.6)
    clean = simulated(tmp_path / "clean", count=300, snr_db=float("inf"))
    # 300 x 32^2 independent pixels of noise: its variance is known to 0.3 %, 0.01 dB.
    assert signal_to_noise_db(clean, noisy - clean) == pytest.approx(-7.6, abs=0.05)


@pytest.mark.parametrize("box", [32, 33])
def test_the_poses_and_lenses_of_the_table_reproduce_the_clean_images(tmp_path: Path, box: int) -> None:
    images = simulated(tmp_path / "run", box=box, snr_db=float("inf"), lens=CTFRanges(b_factor=50.0))
    truth = read_map(tmp_path / "run" / "truth.mrc")
    table = read_particles(tmp_path / "run" / "particles.star")
    pose = table.pose()
    assert pose is not None
    assert (table.box, table.pixel_size, truth.pixel_size) == (box, 6.0, pytest.approx(6.0))
    expected = form_images(truth.volume, pose, ctf_of_table(table), truth.pixel_size)
    assert (images - expected).norm() < 1e-4 * expected.norm()
    assert pose.shift.abs().max() <= 0.03 * box * 6
    assert table.data["rlnImageName"].iloc[1] == "000002@particles.mrcs"
    assert table.data["rlnRandomSubset"].tolist() == [1, 2] * 10


def test_protein_is_positive_in_the_images(tmp_path: Path) -> None:
    images = simulated(tmp_path / "run", ctf="none", snr_db=float("inf"))
    assert (images.mean((-1, -2)) > 0).all()
    assert images.amax() > 10 * -images.amin()
    assert "rlnDefocusU" not in read_particles(tmp_path / "run" / "particles.star").data
    assert "positive (light)" in (tmp_path / "run" / "README.txt").read_text()


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path) -> None:
    for name, workers in (("one", 1), ("three", 3)):
        simulate_particles(options(tmp_path / name, count=700, workers=workers))  # three chunks
    for file in ("particles.mrcs", "particles.star", "truth.mrc"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "three" / file).read_bytes()


def test_another_seed_gives_other_images_and_no_chunk_repeats(tmp_path: Path) -> None:
    first = simulated(tmp_path / "first", count=520, snr_db=20.0)
    other = simulated(tmp_path / "other", count=520, snr_db=20.0, seed=8)
    assert not torch.equal(first, other)
    assert len(torch.cat([first, other]).flatten(1)[:, :50].unique(dim=0)) == 1040


def test_coloured_noise_has_the_spectrum_of_its_table_and_the_snr_asked_for(tmp_path: Path) -> None:
    spectrum = tmp_path / "power.csv"
    spectrum.write_text("# frequency, power\n0.0, 9.0\n0.04, 1.0\n0.1, 0.5\n")
    noisy = simulated(tmp_path / "noisy", count=300, noise=str(spectrum))
    clean = simulated(tmp_path / "clean", count=300, snr_db=float("inf"))
    noise = noisy - clean
    assert signal_to_noise_db(clean, noise) == pytest.approx(-5, abs=0.1)
    power = radial_power(noise)[2:16]
    wanted = np.interp(np.arange(2, 16) / (32 * 6), [0, 0.04, 0.1], [9, 1, 0.5])
    assert (power / power.mean()).numpy() == pytest.approx(wanted / wanted.mean(), rel=0.1)


def test_noise_takes_the_spectrum_of_a_stack_of_backgrounds_at_any_pixel_size(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = torch.linspace(4, 1, 33)
    background = colour_noise(white_noise((64, 64, 64), generator), shape)
    with StackWriter(tmp_path / "background.mrcs", 64, 64, 2.0) as stack:
        stack.write(background.numpy())
    power = noise_power(str(tmp_path / "background.mrcs"), box=48, pixel_size=4.0)
    assert power is not None
    expected = np.interp(np.arange(25) / (48 * 4), np.arange(33) / (64 * 2), shape.numpy())
    ratio = power.numpy()[2:] / expected[2:]
    assert ratio == pytest.approx(np.full(23, ratio.mean()), rel=0.1)
    assert power[shell_index(48).clamp(max=24)].mean().item() == pytest.approx(1, rel=0.05)


def test_an_atomic_model_comes_to_the_centre_of_the_box(tmp_path: Path) -> None:
    (tmp_path / "three.pdb").write_text(PDB)
    specimen = read_specimen(str(tmp_path / "three.pdb"), 33, 3.0, resolution=14.0)
    mean = (centred_coordinates(33, 3) * specimen.volume[..., None]).sum((0, 1, 2)) / specimen.volume.sum()
    assert mean.abs().max() < 0.01
    assert 5 < specimen.radius < 15


def test_a_map_is_a_model_too(tmp_path: Path) -> None:
    specimen = read_specimen("pseudo-protein", 48, 4.0)
    write_map(tmp_path / "map.mrc", specimen.volume, 4.0)
    images = simulated(tmp_path / "run", model=str(tmp_path / "map.mrc"))
    assert images.shape == (20, 32, 32)
    truth = read_map(tmp_path / "run" / "truth.mrc").volume
    direct = read_specimen("pseudo-protein", 32, 6.0).volume
    assert torch.corrcoef(torch.stack([truth.flatten(), direct.flatten()]))[0, 1] > 0.98


def test_the_truth_has_the_symmetry_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulate_particles(options(tmp_path / "run", symmetry="C4"))
    truth = read_map(tmp_path / "run" / "truth.mrc").volume
    turned = rotate_volume(truth, symmetry_rotations("C4")[1])
    assert torch.corrcoef(torch.stack([truth.flatten(), turned.flatten()]))[0, 1] > 0.99
    assert "C4: the averaged model correlates 0." in capsys.readouterr().err


def test_rows_of_a_ctf_table_reach_the_images_whole(tmp_path: Path) -> None:
    (tmp_path / "micrographs.star").write_text(
        "data_micrographs\n\nloop_\n_rlnMicrographName #1\n_rlnDefocusU #2\n_rlnDefocusV #3\n_rlnDefocusAngle #4\n"
        "a.mrc 12000 11000 30\nb.mrc 21000 20500 -60\n"
    )
    lens = CTFRanges(voltage_kv=200.0, amplitude_contrast=0.07)
    simulate_particles(options(tmp_path / "run", ctf=str(tmp_path / "micrographs.star"), lens=lens))
    ctf = ctf_of_table(read_particles(tmp_path / "run" / "particles.star"))
    rows = set(zip(ctf.defocus_u.tolist(), ctf.defocus_v.tolist(), ctf.astigmatism_deg.tolist(), strict=True))
    assert rows == {(12000, 11000, 30), (21000, 20500, -60)}
    assert set(ctf.voltage_kv.tolist()) == {200}
    assert ctf.amplitude_contrast[0].item() == pytest.approx(0.07)


def test_the_same_command_again_finds_its_data_set_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = simulated(tmp_path / "run")
    after = simulated(tmp_path / "run", workers=2)
    assert torch.equal(before, after)
    assert "already simulated" in capsys.readouterr().err
    table = tmp_path / "run" / "particles.star"
    write_particles(table, read_particles(table).select(range(3)))
    with pytest.raises(ValueError, match=r"particles.star: holds 3 of \d+ images; choose another folder"):
        simulated(tmp_path / "run")


def test_a_killed_run_is_done_again_by_the_same_command(tmp_path: Path) -> None:
    before = simulated(tmp_path / "run")
    for file in ("particles.star", "particles.mrcs"):
        (tmp_path / "run" / file).unlink()
    assert torch.equal(simulated(tmp_path / "run"), before)


def test_a_folder_with_another_run_is_refused_with_what_differs(tmp_path: Path) -> None:
    simulate_particles(options(tmp_path / "run"))
    with pytest.raises(
        ValueError, match=r"run: holds a run with other options \(seed was 7 and is now 8; defocus was .*\)"
    ):
        simulate_particles(options(tmp_path / "run", seed=8, lens=CTFRanges(defocus=(5000.0, 9000.0))))


def test_another_map_of_the_same_name_is_another_run(tmp_path: Path) -> None:
    for folder, density in (("a", 1.0), ("b", 2.0)):
        (tmp_path / folder).mkdir()
        write_map(tmp_path / folder / "map.mrc", density * read_specimen("pseudo-protein", 32, 6.0).volume, 6.0)
    simulate_particles(options(tmp_path / "run", model=str(tmp_path / "a" / "map.mrc")))
    with pytest.raises(ValueError, match=r"with other options \(model was 'map.mrc, .* and is now 'map.mrc, .*\)"):
        simulate_particles(options(tmp_path / "run", model=str(tmp_path / "b" / "map.mrc")))


def test_files_of_an_unknown_run_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "particles.mrcs").write_bytes(b"precious")
    with pytest.raises(ValueError, match=r"holds particles.mrcs of another run"):
        simulate_particles(options(tmp_path))
    assert (tmp_path / "particles.mrcs").read_bytes() == b"precious"


def test_a_folder_of_ones_own_structures_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "structures").mkdir()
    (tmp_path / "structures" / "001.mrc").write_bytes(b"precious")
    for molecules in (Heterogeneity(), Heterogeneity(heterogeneity="discrete", states=2)):
        with pytest.raises(ValueError, match=r"holds structures of another run; choose another folder"):
            simulate_particles(options(tmp_path, molecules=molecules))
    assert (tmp_path / "structures" / "001.mrc").read_bytes() == b"precious"


def test_a_disk_too_small_for_the_images_is_refused_before_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 50_000))
    with pytest.raises(OSError, match=r"the images need 0.00 GB, but the disk has 0.00 GB free"):
        simulate_particles(options(tmp_path / "run"))


def test_a_disk_that_fills_up_is_said_in_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(writer: StackWriter, images: np.ndarray) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StackWriter, "write", full)
    with pytest.raises(OSError, match=r"particles.mrcs could not be written: No space left on device"):
        simulate_particles(options(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_box_smaller_than_particle_and_shifts_is_refused_with_the_numbers(tmp_path: Path) -> None:
    small = options(tmp_path / "run", box=20, shift_percent=10.0)
    with pytest.raises(
        ValueError,
        match=r"pseudo-protein reaches 5\d.\d angstrom .* shifts add up to 12.0, but a box of 20 px at 6 angstrom "
        r"leaves 60.0: use a box of at least 24 px, or --allow-clipping",
    ):
        simulate_particles(small)
    simulate_particles(replace(small, allow_clipping=True))
    with pytest.raises(ValueError, match=r"a box of 16 px at 6 angstrom leaves 48.0: use a box of at least 20 px$"):
        simulate_particles(replace(small, box=16, allow_clipping=True, out=tmp_path / "other"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"symmetry": "Q7"}, "unknown symmetry 'Q7'"),
        ({"model": "protein.xyz"}, r"protein.xyz: the model must be a file ending in .pdb"),
        ({"model": "none.pdb"}, r"none.pdb does not exist"),
        ({"model": "none.mrc"}, r"none.mrc does not exist"),
        ({"assembly": "1"}, r"only an atomic model has a biological assembly"),
        ({"ctf": "none.star"}, r"none.star: --ctf must be ranges, none or a file"),
        ({"noise": "pink"}, r"pink: --noise must be white or a file"),
        ({"count": 0}, r"--count must be positive, it is 0"),
        ({"pixel_size": -1.0}, r"--pixel-size must be positive, it is -1"),
        ({"shift_percent": 70.0}, r"--shift-percent must lie in 0 ... 50, it is 70"),
        ({"euler_variance": -2.0}, r"--euler-variance must be positive, it is -2"),
        ({"device": "gpu9"}, r"--device gpu9 cannot be used: "),
        ({"snr_db": float("nan")}, r"--snr-db must be a number or inf"),
    ],
)
def test_bad_options_are_refused_in_a_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        simulate_particles(options(tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_the_command_line_gives_every_option_its_name() -> None:
    words = "5a1a.cif.gz --out d --box 64 --pixel-size 3.8 --count 20000 --snr-db -10 --shift-percent 3 --seed 7"
    parsed = tyro.cli(SimulateParticles, args=[*words.split(), "--defocus", "8000", "20000", "--ctf", "none"])
    assert parsed.model == "5a1a.cif.gz"
    assert (parsed.snr_db, parsed.seed, parsed.ctf) == (-10, 7, "none")
    assert parsed.lens == CTFRanges(defocus=(8000.0, 20000.0))


def test_the_configuration_written_holds_every_option_that_matters(tmp_path: Path) -> None:
    simulate_particles(options(tmp_path / "run"))
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert (config["model"], config["seed"], config["astigmatism"]) == ("pseudo-protein", 7, [0, 500])
    assert "workers" not in config


@pytest.mark.slow
def test_large_images_stream_in_less_than_two_gigabytes(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from frazil.recipes.simulate_particles import *;"
        f"simulate_particles(SimulateParticles('pseudo-protein', Path({str(tmp_path / 'run')!r}), box=192,"
        " pixel_size=1.274, count=40, workers=2));"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) < 2e6  # kilobytes


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_forms_the_images_of_the_cpu(tmp_path: Path) -> None:
    on_cpu = simulated(tmp_path / "cpu", count=300, noise="white")
    on_gpu = simulated(tmp_path / "gpu", count=300, noise="white", device="cuda")
    assert (on_cpu - on_gpu).norm() < 1e-3 * on_cpu.norm()
