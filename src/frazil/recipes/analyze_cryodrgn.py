"""`frazil cryodrgn-analyze`: the latents and volumes of a run, looked at otherwise."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from frazil.recipes.cryodrgn import load
from frazil.recipes.cryodrgn_results import Analysis, write_analysis
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
    method, particles = load(options.run, options.device)
    options.how.check(particles)
    write_analysis(method, particles, RunFolder(options.run), options.how)
