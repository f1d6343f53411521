"""The membrane phantom."""

import torch

from frazil.data.membranes import membrane_blobs
from frazil.data.specimens import read_specimen


def test_a_membrane_is_two_leaflets_of_lipid_heads_about_its_middle() -> None:
    blobs = membrane_blobs()
    assert float(blobs.centres.mean(0).norm()) < 1e-3
    near = blobs.centres[:, :2].norm(dim=1) < 40
    heights = blobs.centres[near, 2]
    split = heights > heights.mean()
    assert 33 < float(heights[split].mean() - heights[~split].mean()) < 39  # phosphate to phosphate


def test_seen_from_the_side_it_shows_both_leaflets() -> None:
    profile = read_specimen("membrane", 96, 4.0).volume[:, 44:53, 44:53].mean((1, 2))
    low, high = profile[:48].argmax(), 48 + profile[48:].argmax()
    between = profile[low:high].min()
    assert float(between) < 0.2 * float(torch.minimum(profile[low], profile[high]))
