"""The page of a reconstruction: figures at its head, every section there, warnings where they belong."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from frazil.data import pseudo_protein
from frazil.geometry import centred_coordinates, fourier_crop, fourier_transform, inverse_fourier_transform, shell_index
from frazil.metrics import HalfMaps, combine_half_maps, half_map_fsc
from frazil.report.cryogan import CRYOGAN_SCALARS
from frazil.report.reconstruction import reconstruction_report
from frazil.report.run_story import RunStory
from frazil.training import RunFolder

BOX, PIXEL_SIZE = 24, 8.0
RECORD = {
    "config": {"particles": "/data/particles.star", "seed": 3, "learning": {"boxes": [24]}},
    "starts": [{"command": "frazil cryogan particles.star --out run", "time": "now", "versions": {"frazil": "0.1.0"}}],
}
ROWS = [
    {"step": step, "elapsed": 3.0 * step, "half_map_resolution": 900.0 / step, "critic_distance": 0.0625,
     "penalty": 0.3, "signal": 1.1, "noise": 0.9}
    for step in (20, 40, 60)
]  # fmt: skip


def half_maps(first: Tensor, second: Tensor) -> HalfMaps:
    fsc = half_map_fsc(first, second, PIXEL_SIZE, torch.ones_like(first), torch.Generator().manual_seed(0))
    return HalfMaps(first, second, combine_half_maps(first, second, fsc.corrected), fsc, PIXEL_SIZE)


def specimen() -> Tensor:
    return fourier_crop(pseudo_protein(48, 4.0), BOX, 3)


@pytest.fixture
def good() -> HalfMaps:
    """Halves that agree on the coarse shells, and on the fine ones no more."""
    return half_maps(*(specimen() + 2 * specimen().std() * torch.randn(BOX, BOX, BOX) for _ in range(2)))


@pytest.fixture
def bad() -> HalfMaps:
    return half_maps(torch.randn(BOX, BOX, BOX), torch.randn(BOX, BOX, BOX))


def page(maps: HalfMaps, folder: Path, rows: list[dict[str, Any]] | None = ROWS, **changes: Any) -> str:
    """The page of a run whose log holds `rows`; None for no log at all."""
    (folder / "config.json").write_text(json.dumps(RECORD))
    if rows is not None:
        (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {
        "title": "CryoGAN: particles.star",
        "scalars": CRYOGAN_SCALARS,
        "real": torch.randn(6, BOX, BOX),
        "simulated": torch.randn(6, BOX, BOX),
        "stages": {"16 px": 0, "24 px": 30, "32 px": 500},
        "folder": RunFolder(folder),
    }
    return reconstruction_report(maps, RunStory(**{**values, **changes})).html()


def test_the_page_has_every_section_and_opens_offline(good: HalfMaps, tmp_path: Path) -> None:
    text = page(good, tmp_path)
    assert re.findall(r"<section id=\"[^\"]*\"><h2>(.*?)</h2>", text) == [
        "Map", "Resolution", "Images", "Progress", "How to repeat it",
    ]  # fmt: skip
    assert "frazil cryogan particles.star --out run" in text
    assert not re.search(r'(src|href)="(https?:)?//', text)


def test_the_head_says_how_good_the_map_is_and_what_it_cost(good: HalfMaps, tmp_path: Path) -> None:
    head = page(good, tmp_path).split("<section")[0]
    assert f"{good.resolution:.1f}" in head
    assert "0.0625" in head
    assert "3.0" in head  # minutes
    assert "8 Å per voxel, 24 voxels a side" in head
    assert "Look at this first" not in head


def test_half_maps_without_common_structure_are_warned_of(bad: HalfMaps, tmp_path: Path) -> None:
    head = page(bad, tmp_path).split("<section")[0]
    assert "Look at this first" in head
    assert "the run found no common structure" in " ".join(head.split())


def test_a_map_of_the_wrong_sign_and_a_hollow_shell_are_warned_of(tmp_path: Path) -> None:
    distance = centred_coordinates(BOX, 3).norm(dim=-1)
    shell = torch.exp(-(distance - BOX / 4).square() / 4)
    for map_, words in [(-specimen(), "darker than what surrounds it"), (shell, "a hollow shell, nearly even")]:
        head = page(half_maps(map_, map_), tmp_path).split("<section")[0]
        assert words in " ".join(head.split())


def test_half_maps_that_agree_to_the_last_shell_are_no_measure(tmp_path: Path) -> None:
    """No data are so good that both halves hold all that the box can show: it is too small, or they err alike."""
    head = page(half_maps(specimen(), specimen()), tmp_path).split("<section")[0]
    assert "so 16.0 Å is no measure of the map" in " ".join(head.split())


def test_half_maps_that_agree_to_where_they_were_cut_are_no_measure(tmp_path: Path) -> None:
    """Cut at shell 9 of 12: 192 angstrom over 9 is the finest that is in them."""
    spectrum = fourier_transform(specimen(), 3)
    cut = inverse_fourier_transform(spectrum * (shell_index(BOX, 3) <= 9), BOX, 3)
    head = page(half_maps(cut, cut), tmp_path).split("<section")[0]
    assert "is no measure of the map" in " ".join(head.split())


@pytest.mark.parametrize("rows", [None, []])
def test_a_run_stopped_before_its_first_line_still_has_a_page(
    good: HalfMaps, tmp_path: Path, rows: list[dict[str, Any]] | None
) -> None:
    text = page(good, tmp_path, rows)
    assert "The log holds no finite value" in text
    assert "Critic distance" not in text.split("<section")[0]


def test_a_log_with_a_single_line_still_has_its_chart(good: HalfMaps, tmp_path: Path) -> None:
    assert ">16 px</text>" in page(good, tmp_path, ROWS[:1])


def test_a_log_without_a_resolution_still_has_a_page(good: HalfMaps, tmp_path: Path) -> None:
    rows = [{**row, "half_map_resolution": None} for row in ROWS]
    assert "0.0625" in page(good, tmp_path, rows)


def test_stages_not_reached_yet_are_not_drawn(good: HalfMaps, tmp_path: Path) -> None:
    text = page(good, tmp_path)
    assert ">24 px</text>" in text
    assert ">32 px</text>" not in text


def test_a_flat_map_still_has_a_page(tmp_path: Path) -> None:
    """What is left when the half maps agree on nothing is their mean density."""
    noise = half_maps(torch.randn(BOX, BOX, BOX), torch.randn(BOX, BOX, BOX))
    flat = HalfMaps(noise.first, noise.second, torch.full((BOX, BOX, BOX), 0.25), noise.fsc, PIXEL_SIZE)
    assert "Map" in page(flat, tmp_path)


def test_halves_that_agree_as_noise_does_are_warned_of(good: HalfMaps, tmp_path: Path) -> None:
    assert "with noise that is turned" not in page(replace(good, by_chance=0.2), tmp_path)
    assert "with noise that is turned" in page(replace(good, by_chance=0.9), tmp_path)
