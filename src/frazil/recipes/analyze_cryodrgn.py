"""`frazil cryodrgn-analyze`: the latents and volumes of a run, looked at otherwise."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from frazil.recipes.cryodrgn import load
from frazil.recipes.results.cryodrgn_results import Analysis, write_analysis
from frazil.training import RunFolder


@dataclass(frozen=True)
class AnalyzeCryoDRGN:
    """Write the particles, volumes and report of a cryoDRGN run anew, from its newest checkpoint."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run; while it still learns, too."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    how: Annotated[Analysis, tyro.conf.arg(name="")] = field(default_factory=Analysis)


def analyze_cryodrgn(options: AnalyzeCryoDRGN) -> None:
    """Write them into the run's folder."""
    begun = time.time_ns()
    method, particles = load(options.run, options.device)
    options.how.check(particles, method.config.latent_dim)
    write_analysis(method, particles, RunFolder(options.run), options.how)
    # The page is as new as the checkpoint that it shows: a run that has learnt further since writes its own.
    os.utime(options.run / "report.html", ns=(begun, begun))
