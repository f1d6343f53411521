"""A small simulated data set, and the command as a user gives it."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from frazil import cli
from frazil.data.heterogeneity import Heterogeneity
from frazil.methods.cryodrgn import CryoDRGNConfig
from frazil.recipes import cryodrgn
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles

BOX, COUNT, PIXEL_SIZE = 32, 300, 6.0
TINY = [
    "--contrast",
    "light",
    "--device",
    "cpu",
    "--boxes",
    "32",
    "--steps",
    "4",
    "--batch-sizes",
    "8",
    "--critic-steps",
    "1",
    "--critic-width",
    "4",
]
"""The smallest run that has all parts; what it finds is noise."""

SMALL = CryoDRGNConfig(latent_dim=2, epochs=2, encoder_width=16, decoder_width=16, encoder_depth=1, decoder_depth=1)


class Outcome(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of 300 simulated images; a test that changes them takes a copy."""
    folder = tmp_path_factory.mktemp("data")
    simulate_particles(
        SimulateParticles("pseudo-protein", out=folder, box=BOX, pixel_size=PIXEL_SIZE, count=COUNT, snr_db=0.0, seed=3)
    )
    return folder


@pytest.fixture(scope="session")
def two_structures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of sixty-four images of two structures."""
    folder = tmp_path_factory.mktemp("two_structures")
    how = Heterogeneity("discrete", 2, moving="2")
    simulate_particles(
        SimulateParticles("pseudo-protein", folder, molecules=how, box=24, pixel_size=8.0, count=64, snr_db=0.0)
    )
    return folder


@pytest.fixture(scope="session")
def small_cryodrgn(two_structures: Path) -> Callable[..., cryodrgn.CryoDRGNRun]:
    """Options of a run of seconds on them, into a folder; the networks' changed by name."""

    def options(out: Path, **changes: Any) -> cryodrgn.CryoDRGNRun:
        learning = {name: changes.pop(name) for name in list(changes) if name in vars(SMALL)}
        base = cryodrgn.CryoDRGNRun(
            two_structures / "particles.star",
            out,
            contrast="light",
            diameter=120.0,
            learning=replace(SMALL, **learning),
            log_every=4,
        )
        return replace(base, **changes)

    return options


@pytest.fixture(scope="session")
def cryodrgn_run(small_cryodrgn: Callable[..., cryodrgn.CryoDRGNRun], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a run; a test that changes it takes a copy."""
    out = tmp_path_factory.mktemp("cryodrgn") / "run"
    assert cryodrgn.run(small_cryodrgn(out)) == 0
    return out


@pytest.fixture(scope="session")
def tiny_options() -> list[str]:
    """Options of the smallest run that has all parts."""
    return TINY


@pytest.fixture
def copied(data: Path, tmp_path: Path) -> Path:
    """A copy of the data for a test to spoil."""
    return Path(shutil.copytree(data, tmp_path / "data"))


@pytest.fixture
def cryogan(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `frazil cryogan FOLDER/particles.star --out OUT ...` at tiny size: the exit code, stdout and stderr."""

    def run(folder: Path, *options: str, out: Path = tmp_path / "run") -> Outcome:
        capfd.readouterr()
        code = cli.main(["cryogan", str(folder / "particles.star"), "--out", str(out), *TINY, *options])
        printed = capfd.readouterr()
        assert "Traceback" not in printed.err
        return Outcome(code, printed.out, printed.err)

    return run


@pytest.fixture
def refused(cryogan: Callable[..., Outcome], tmp_path: Path) -> Callable[..., str]:
    """The one sentence by which a tiny run is refused, nothing having been written."""

    def run(folder: Path, *options: str) -> str:
        before = sorted(folder.iterdir())
        code, out, err = cryogan(folder, *options)
        assert (code, out) == (1, "")
        assert err.startswith("frazil: error: ")
        assert err.count("\n") == 1
        assert not (tmp_path / "run").exists()
        assert sorted(folder.iterdir()) == before
        return err

    return run
