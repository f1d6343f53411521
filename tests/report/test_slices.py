"""Volumes on a page."""

import re

import torch

from frazil.report.slices import slices_figures


def test_a_row_of_slices_is_full_whatever_the_number_of_classes() -> None:
    volumes = torch.randn(9, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    kinds = {
        "real": (volumes, None),
        "simulated": (volumes, torch.tensor([1, 1, 1, 1, 1, 2, 2, 2, 3])),
        "one": (volumes[:7], torch.ones(7, dtype=torch.long)),
    }
    raw, smooth = slices_figures(kinds, 10.0)
    assert smooth.title == "Slices, smoothed to 60 Å"
    markup = raw.body
    assert re.findall(r"simulated, class (\d), xy<", markup) == ["1", "2", "3", "1", "2", "1"]
    assert len(re.findall(r"one, class 1, xz<", markup)) == 6
    assert len(re.findall(r"real, xy<", markup)) == 6
