"""Where a benchmark's table goes."""

import datetime
import os
import re
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"


def hardware(device: torch.device) -> str:
    """Short name of what it ran on: cpu2, or the GPU's."""
    if device.type == "cuda":
        return re.sub(r"\W+", "-", torch.cuda.get_device_name(device)).lower()
    return f"cpu{os.cpu_count()}"


def heading(what: str, device: torch.device) -> str:
    """First line of the page."""
    return f"# {what} on {hardware(device)}, {datetime.date.today()}\n"


def write_results(what: str, device: torch.device, text: str) -> Path:
    """Write results/<what>_<hardware>_<date>.md."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{what}_{hardware(device)}_{datetime.date.today()}.md"
    path.write_text(text)
    return path


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """Rows under a header."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])
