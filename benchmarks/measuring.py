"""Reconstructions held against their truth, each done once."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from results_file import RESULTS

from frazil.io import read_map, read_particles
from frazil.methods.base import stable_seed
from frazil.methods.cryogan import CryoGANConfig
from frazil.metrics import fourier_shell_correlation, pose_errors, truth_fsc
from frazil.recipes import cryogan
from frazil.recipes.simulate_particles import SimulateParticles, simulate_particles

FIGURES = {"truth_half": "truth 0.5", "truth": "truth 0.143", "each": "each half 0.5", "half": "half 0.143"}
"""What is measured, and how a table calls it."""


class Ledger:
    """What was measured with the default recipe as it is, one line of JSON for each run, in benchmarks/results/."""

    def __init__(self, name: str) -> None:
        self._path = RESULTS / f"{name}.jsonl"
        recipe = replace(CryoGANConfig(), boxes=(32, 48, 64), steps=(3000, 400, 200))  # stages are each row's own
        self._recipe = {"recipe": f"{stable_seed(repr(recipe)):016x}"[:8]}
        rows = [json.loads(line) for line in self._path.read_text().splitlines()] if self._path.exists() else []
        self.rows: list[dict[str, Any]] = [row for row in rows if self._recipe.items() <= row.items()]

    def fill(self, key: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> None:
        """Measure what has no row yet."""
        if any(key.items() <= row.items() for row in self.rows):
            return
        self.rows.append({**self._recipe, **key, **measure()})
        with self._path.open("a") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")


def measured(images: SimulateParticles, options: cryogan.CryoGANRun) -> dict[str, float]:
    """Simulate, reconstruct and measure, in angstrom; nothing before the last lines sees the truth."""
    simulate_particles(images)
    began = time.monotonic()
    cryogan.run(options)
    minutes = (time.monotonic() - began) / 60
    folder = options.out / "refine" if options.refine else options.out
    first, second, found = (read_map(folder / f"{name}.mrc") for name in ("half1", "half2", "map"))
    half = fourier_shell_correlation(first.volume, second.volume, first.pixel_size).resolution(0.143)
    truth = read_map(images.out / "truth.mrc")
    fsc, *each = (truth_fsc(own, truth) for own in (found, first, second))
    figures = {"truth_half": fsc.resolution(0.5), "truth": fsc.resolution(0.143), "half": half}
    if options.refine:
        own, true = (read_particles(where / "particles.star").pose() for where in (folder, images.out))
        assert own is not None
        assert true is not None
        figures["poses"] = float(pose_errors(own, true, options.learning.symmetry).angle_deg.median())
    return {"minutes": round(minutes, 2), **figures, "each": statistics.mean(one.resolution(0.5) for one in each)}
