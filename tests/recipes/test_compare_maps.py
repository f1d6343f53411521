import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from frazil.cli import main
from frazil.geometry import (
    centred_coordinates,
    fourier_crop,
    fourier_transform,
    inverse_fourier_transform,
    random_rotations,
    shell_index,
    soft_sphere,
)
from frazil.io import read_map, write_map
from frazil.metrics import fit_box, fourier_shell_correlation, mirror_volume, move_volume, rotation_distance

BOX, PIXEL_SIZE = 24, 4.0


def specimen(box: int = BOX) -> Tensor:
    """Fifteen blobs without symmetry."""
    generator = torch.Generator().manual_seed(3)
    centres = torch.randn(15, 3, generator=generator) * torch.tensor([3.0, 2.0, 1.5])
    distance = (centred_coordinates(box, 3)[..., None, :] - centres).norm(dim=-1)
    return torch.exp(-0.5 * (distance / 1.4).square()).sum(-1)


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    """A map with noise, and itself with other noise."""
    generator = torch.Generator().manual_seed(1)
    paths = tmp_path / "a.mrc", tmp_path / "b.mrc"
    for path in paths:
        volume = specimen()
        write_map(path, volume + 0.1 * torch.randn(volume.shape, generator=generator), PIXEL_SIZE)
    return paths


def run(*words: str | Path) -> int:
    return main([str(word) for word in words])


def printed_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


def test_fsc_prints_the_resolution_at_both_thresholds(
    maps: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fsc", *maps) == 0
    first, second = (read_map(path) for path in maps)
    curve = fourier_shell_correlation(first.volume, second.volume, PIXEL_SIZE)
    out = capsys.readouterr().out
    assert f"{curve.resolution(0.5):.2f}" in out
    assert f"{curve.resolution(0.143):.2f}" in out
    assert "unmasked" in out


def test_fsc_says_so_when_a_curve_never_falls(maps: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fsc", maps[0], maps[0]) == 0
    assert "8.00 (never below)" in capsys.readouterr().out


@pytest.mark.parametrize("mask", ["sphere", "auto", "file"])
def test_fsc_under_a_mask_is_corrected_for_it(
    maps: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], mask: str
) -> None:
    if mask == "file":
        mask = str(tmp_path / "mask.mrc")
        write_map(mask, soft_sphere(BOX, 8.0, 3.0), PIXEL_SIZE)
    assert run("fsc", *maps, "--mask", mask, "--json", "--out", tmp_path / "fsc.csv") == 0
    summary = printed_json(capsys)
    assert list(summary["resolution"]) == ["unmasked", "masked", "randomised", "corrected"]
    assert summary["resolution"]["corrected"]["0.5"] <= summary["resolution"]["unmasked"]["0.5"]
    with (tmp_path / "fsc.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["corrected"]) for row in rows] == pytest.approx(summary["curves"]["corrected"], abs=1e-6)


def test_the_corrected_curve_ends_where_the_maps_did_before_one_was_turned(
    maps: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    shell = shell_index(BOX, 3)
    for path in maps:
        spectrum = fourier_transform(read_map(path).volume, 3)
        write_map(path, inverse_fourier_transform(spectrum * (shell <= 5), BOX, 3), PIXEL_SIZE)
    assert run("fsc", *maps, "--align", "--mask", "sphere", "--json") == 0
    assert max(printed_json(capsys)["curves"]["corrected"][6:]) == 0


def test_fsc_gives_the_same_figures_every_time(maps: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for _ in range(2):
        run("fsc", *maps, "--mask", "auto", "--json")
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


@pytest.mark.slow
def test_fsc_aligns_a_turned_mirror_image_first(
    maps: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rotation = random_rotations(1, torch.Generator().manual_seed(2))[0]
    write_map(
        tmp_path / "turned.mrc", mirror_volume(move_volume(specimen(), rotation.T, torch.tensor([1.0, 2.0, -1.0]))), 4.0
    )
    assert run("fsc", tmp_path / "turned.mrc", maps[1], "--json") == 0
    apart = printed_json(capsys)["resolution"]["unmasked"]["0.5"]
    assert run("fsc", tmp_path / "turned.mrc", maps[1], "--align", "--json") == 0
    summary = printed_json(capsys)
    assert summary["resolution"]["unmasked"]["0.5"] < 0.5 * apart
    assert summary["alignment"]["mirrored"] is True
    assert rotation_distance(torch.tensor(summary["alignment"]["rotation"]), rotation) < 1.0
    assert run("fsc", tmp_path / "turned.mrc", maps[1], "--align") == 0
    assert "aligned: mirrored, turned by" in capsys.readouterr().out


@pytest.mark.slow
def test_align_writes_the_map_on_the_grid_of_the_reference(
    maps: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rotation = random_rotations(1, torch.Generator().manual_seed(4))[0]
    turned = move_volume(fit_box(specimen(), 30), rotation, torch.tensor([1.0, 0.0, -2.0]))
    write_map(tmp_path / "finer.mrc", fourier_crop(turned, 40, 3), PIXEL_SIZE * 30 / 40)
    assert run("align", tmp_path / "finer.mrc", maps[1], "--out", tmp_path / "c.mrc") == 0
    out = capsys.readouterr().out
    assert "brought from 40 voxels a side of 3 angstrom to 24 voxels a side of 4 angstrom" in out
    assert f"written: {tmp_path / 'c.mrc'}, 24 voxels a side of 4 angstrom" in out
    found = read_map(tmp_path / "c.mrc")
    assert found.pixel_size == pytest.approx(PIXEL_SIZE)
    assert float((found.volume - specimen()).norm() / specimen().norm()) < 0.1
    assert run("align", tmp_path / "finer.mrc", maps[1], "--out", tmp_path / "d.mrc", "--json") == 0
    assert printed_json(capsys)["alignment"]["score"] > 0.95


@pytest.mark.parametrize("command", ["align", "fsc"])
def test_no_file_is_written_over(maps: tuple[Path, Path], capsys: pytest.CaptureFixture[str], command: str) -> None:
    before = maps[0].read_bytes()
    assert run(command, *maps, "--out", maps[0]) == 1
    assert "a.mrc: is there already; give another name, or remove it" in capsys.readouterr().err
    assert maps[0].read_bytes() == before


def test_the_mask_around_two_maps_does_not_depend_on_their_units(
    maps: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_map(tmp_path / "c.mrc", 30 * read_map(maps[0]).volume, PIXEL_SIZE)
    found = []
    for first in (maps[0], tmp_path / "c.mrc"):
        assert run("fsc", first, maps[1], "--mask", "auto", "--json") == 0
        found.append(printed_json(capsys)["curves"]["masked"])
    assert found[0] == pytest.approx(found[1], abs=1e-4)


@pytest.mark.parametrize(
    ("name", "volume", "pixel_size", "sentence"),
    [
        ("box", torch.randn(20, 20, 20), 4.0, "has 20 voxels a side of 4 angstrom, but"),
        ("pixel", torch.randn(24, 24, 24), 3.0, "has 24 voxels a side of 3 angstrom, but"),
        ("flat", torch.full((24, 24, 24), 2.0), 4.0, "the map is 2 everywhere"),
        ("slab", torch.randn(12, 24, 24), 4.0, "a map must be a cube, but this one has 12 x 24 x 24 voxels (z y x)"),
    ],
)
def test_maps_that_cannot_be_compared_are_refused_in_one_sentence(
    maps: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    volume: Tensor,
    pixel_size: float,
    sentence: str,
) -> None:
    write_map(tmp_path / f"{name}.mrc", volume, pixel_size)
    assert run("fsc", tmp_path / f"{name}.mrc", maps[1]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert f"{name}.mrc" in error
    assert error.startswith("frazil: error: ")
    assert error.count("\n") == 1


def test_a_mask_that_does_not_fit_is_refused(
    maps: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fsc", *maps, "--mask", "spehre") == 1
    assert "spehre does not exist; --mask takes none, sphere, auto or a map file" in capsys.readouterr().err
    write_map(tmp_path / "small.mrc", soft_sphere(20, 6.0, 3.0), PIXEL_SIZE)
    assert run("fsc", *maps, "--mask", tmp_path / "small.mrc") == 1
    assert "small.mrc has 20 voxels a side" in capsys.readouterr().err
    assert run("fsc", *maps, "--mask", maps[0]) == 1
    assert "a mask has values from 0 to 1, but these go from" in capsys.readouterr().err


def test_an_unknown_symmetry_is_refused(maps: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fsc", *maps, "--align", "--symmetry", "Q3") == 1
    assert "unknown symmetry 'Q3'" in capsys.readouterr().err


def test_a_missing_map_is_refused(maps: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("align", tmp_path / "none.mrc", maps[1], "--out", tmp_path / "c.mrc") == 1
    assert "none.mrc does not exist" in capsys.readouterr().err
