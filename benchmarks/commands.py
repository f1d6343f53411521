"""frazil's commands, run as a user runs them."""

import subprocess
import sys
from pathlib import Path


def frazil(folder: Path, *words: str) -> None:
    """One command; what it says goes to a file in the folder, and where it fails all ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("a") as log:
        done = subprocess.run([sys.executable, "-m", "frazil", *words], stdout=log, stderr=log, check=False)
    if done.returncode:
        sys.exit(f"frazil {' '.join(words)}\nfailed: see {log.name}")
