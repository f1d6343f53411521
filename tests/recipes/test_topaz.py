"""Topaz itself, where it is installed, trains on simulated micrographs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from frazil.recipes.simulate_micrographs import SimulateMicrographs, simulate_micrographs

TOPAZ = shutil.which(os.environ.get("TOPAZ", "topaz"))  # in an environment of its own
FEW = "--num-epochs 1 --epoch-size 2 --minibatch-size 16 --no-pretrained --model conv31 --units 8 --radius 2 -d -1"


@pytest.mark.skipif(TOPAZ is None, reason="no topaz on the PATH, nor named by $TOPAZ")
def test_topaz_trains_on_what_is_simulated(tmp_path: Path) -> None:
    out = tmp_path / "fields"
    simulate_micrographs(
        SimulateMicrographs(
            models=("pseudo-protein",), out=out, count=2, size=(256, 256), pixel_size=6.0, particles=12.0
        )
    )
    targets = out / "particles.txt"
    files = ["--train-images", out / "micrographs", "--train-targets", targets, "--output", tmp_path / "steps.txt"]
    command = [str(TOPAZ), "train", *map(str, files), *FEW.split(), "--num-particles", "12"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert said.returncode == 0, said.stderr
    labelled = len(targets.read_text().splitlines()) - 1
    # It counts pixels, and so a particle at the edge for less than one.
    loaded = re.search(r"Loaded 2 training micrographs with ~(\d+) labeled particles", said.stderr)
    assert loaded is not None
    assert labelled - 2 <= int(loaded[1]) <= labelled
    assert len((tmp_path / "steps.txt").read_text().splitlines()) == 1 + 2
