"""The picker: its scores turn with the micrograph, and the rim of a crop teaches it nothing."""

import torch

from frazil.data.micrograph_crops import Crops
from frazil.methods.base import StepContext
from frazil.methods.pick import PickConfig, Picker

TINY = PickConfig(steps=2, batch_size=2, crop=32, particle_px=8.0, width=8, depth=1)


def test_scores_turn_and_mirror_with_the_micrograph(generator: torch.Generator) -> None:
    picker = Picker(TINY, [], seed=0)
    image = torch.randn(40, 56, generator=generator)
    scores = picker.scores(image)
    torch.testing.assert_close(picker.scores(image.mT.contiguous()).mT, scores)
    torch.testing.assert_close(picker.scores(image.flip(0)).flip(0), scores)
    assert scores.min() >= 0


def test_what_lies_in_the_rim_of_a_crop_is_not_learnt(generator: torch.Generator) -> None:
    images, truth = torch.randn(2, 32, 32, generator=generator), torch.zeros(2, 32, 32)
    truth[:, 16, 16] = 1
    other = truth.clone()
    other[:, 2, 20] = 1
    losses = [
        float(Picker(TINY, [], seed=0).update(Crops(images, where), StepContext(0, 0, torch.device("cpu")))["loss"])
        for where in (truth, other)
    ]
    assert losses[0] == losses[1]
