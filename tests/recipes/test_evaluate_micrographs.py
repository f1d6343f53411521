"""Micrographs held against real ones: the same kind is close, another kind is not, and the floor stands beside."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from frazil.io import write_map, write_tables
from frazil.recipes.evaluate_micrographs import EvaluateMicrographs, evaluate_micrographs


def folder(out: Path, spread: float, count: int = 4, pixel_size: float = 2.0) -> Path:
    """Micrographs of smooth blots, so wide, in white noise."""
    generator = torch.Generator().manual_seed(round(100 * spread) + count)
    out.mkdir()
    axis = torch.arange(-12.0, 13)
    kernel = torch.exp(-(axis[:, None] ** 2 + axis**2) / (2 * spread**2))
    for number in range(count):
        blots = (torch.rand(1, 1, 128, 144, generator=generator) < 0.002).float()
        image = torch.nn.functional.conv2d(blots, kernel[None, None], padding=12)[0, 0]
        noise = torch.randn(128, 144, generator=generator)
        write_map(out / f"{number}.mrc", (100 - 5 * image + noise)[None], pixel_size)
    return out


@pytest.mark.slow
def test_the_same_kind_is_at_the_floor_and_another_kind_is_not(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    real, same, other = (folder(tmp_path / name, spread) for name, spread in {"a": 2.0, "b": 2.0, "c": 5.0}.items())
    evaluate_micrographs(EvaluateMicrographs(real, (same, other), out=tmp_path / "out", crop=48, count=60))
    assert "60 crops of 48 px at 2 angstrom" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "figures.json").read_text())["micrographs"]
    floor, near, far = found["real ones again"], found["b"], found["c"]
    for name in ("fid_convolutions", "kid_convolutions", "spectrum_distance", "fid_spectra"):
        assert far[name] > 2 * near[name]
        assert far[name] > 2 * floor[name]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "How close they are" in page
    assert "Power spectra" in page


@pytest.mark.slow
def test_how_many_micrographs_a_kind_has_does_not_matter(tmp_path: Path) -> None:
    real, few, many = (folder(tmp_path / str(count), 2.0, count) for count in (6, 3, 12))
    evaluate_micrographs(EvaluateMicrographs(real, (few, many), out=tmp_path / "out", crop=48, count=48))
    found = json.loads((tmp_path / "out" / "figures.json").read_text())["micrographs"]
    for name in ("fid_convolutions", "fid_spectra"):
        floor = found["real ones again"][name]
        assert found["3"][name] == pytest.approx(floor, rel=0.35)
        assert found["12"][name] == pytest.approx(floor, rel=0.35)


def test_micrographs_of_finer_pixels_are_resampled(tmp_path: Path) -> None:
    real, fine = folder(tmp_path / "a", 2.0), folder(tmp_path / "b", 2.0, count=2, pixel_size=1.0)
    evaluate_micrographs(EvaluateMicrographs(real, (fine,), out=tmp_path / "out", crop=32, count=10))
    assert json.loads((tmp_path / "out" / "figures.json").read_text())["pixel_size"] == 2


@pytest.mark.slow
def test_labels_beside_micrographs_are_drawn(tmp_path: Path) -> None:
    real, other = folder(tmp_path / "a", 2.0), folder(tmp_path / "b", 2.0)
    rows = pd.DataFrame({"rlnMicrographName": ["0.mrc"], "rlnCoordinateX": [72.0], "rlnCoordinateY": [64.0]})
    write_tables(other / "particles.star", {"particles": rows})
    options = EvaluateMicrographs(real, (other,), out=tmp_path / "out", crop=120, count=4, diameter=20.0)
    evaluate_micrographs(options)
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<circle") == 1
    assert 'r="5"' in page
    assert "1 labelled particles of b" in page
    evaluate_micrographs(replace(options, out=tmp_path / "both", coordinates=other / "particles.star"))
    assert (tmp_path / "both" / "report.html").read_text().count("<circle") == 2


def test_what_cannot_be_compared_is_refused_in_a_sentence(tmp_path: Path) -> None:
    real, one = folder(tmp_path / "a", 2.0), folder(tmp_path / "b", 2.0, count=1)
    for options, sentence in (
        (EvaluateMicrographs(one, (real,), out=tmp_path / "out"), "holds one micrograph"),
        (EvaluateMicrographs(real, (), out=tmp_path / "out"), "give one folder or more of OTHERS"),
        (EvaluateMicrographs(real, (one,), out=tmp_path / "out", at=1.0), "times the pixel size"),
        (EvaluateMicrographs(real, (one,), out=tmp_path / "out", crop=130), "are too few for crops of 130"),
        (EvaluateMicrographs(real, (one,), out=tmp_path / "out", crop=8), "--crop must be 32 or more"),
    ):
        with pytest.raises(ValueError, match=sentence):
            evaluate_micrographs(options)
    assert not (tmp_path / "out").exists()
