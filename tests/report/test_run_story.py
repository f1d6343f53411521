"""What every run's page tells, whatever the run made."""

import json
from pathlib import Path

import torch

from frazil.report import Figure, Reading, Report
from frazil.report.run_story import RunStory, Scalars
from frazil.training import RunFolder

RECORD = {"config": {"seed": 3}, "starts": [{"command": "frazil anything data.star", "time": "now", "versions": {}}]}
READING = Reading(look="Look.", good="Good.", bad="Bad.")
HEADLINES = {"Loss": ("loss", "the last"), "Unknown": ("never_found", "of none")}
SCALARS = Scalars({"A loss": ["loss"]}, HEADLINES, READING)


def story(folder: Path, found: dict[str, Figure]) -> RunStory:
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps({"step": s, "elapsed": 60.0 * s, "loss": 1 / s}) + "\n" for s in (1, 2, 4)))
    (folder / "config.json").write_text(json.dumps(RECORD))
    images = torch.randn(2, 4, 8, 8)
    return RunStory("A run", SCALARS, RunFolder(folder), {"one": 0}, found, real=images[0], simulated=images[1])


def test_what_was_found_stands_before_the_images_each_under_its_heading(tmp_path: Path) -> None:
    found = {heading: Figure(f"A figure of {heading}", "<p>here</p>", READING) for heading in ("Poses", "Latent")}
    report = Report("A run", "of nothing")
    story(tmp_path, found).add_sections(report, 6.0, {})
    text = report.html()
    places = [text.index(f"<h2>{heading}</h2>") for heading in ("Poses", "Latent", "Images", "Progress")]
    assert places == sorted(places)
    assert "A figure of Latent" in text


def test_the_head_holds_the_last_values_and_the_time(tmp_path: Path) -> None:
    report = Report("A run", "of nothing")
    story(tmp_path, {}).add_headlines(report, "all of it")
    head = report.html()
    for words in ("0.25", "the last", "4.0", "all of it"):
        assert words in head
    assert "of none" not in head
