"""Classifiers of subtomograms, each learnt in a folder of its own, from which a stopped one goes on."""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data.kept_images import epoch_rows
from frazil.methods import StepContext
from frazil.methods.base import stable_seed
from frazil.methods.classify import ClassifyConfig, SubtomogramClassifier
from frazil.training import FitSettings, RunFolder, fit

Labelled = tuple[Float[Tensor, "count box box box"], Int[Tensor, " count"]]
"""Volumes, and the class of each, from 0."""


def learn_classifier(
    labelled: Labelled, classes: int, folder: Path, config: ClassifyConfig, seed: int
) -> SubtomogramClassifier:
    """A classifier that has been shown every volume equally often."""
    volumes, label = labelled
    rows, size = torch.arange(len(volumes)), min(config.batch_size, len(volumes))
    config = replace(config, batch_size=size)
    method = SubtomogramClassifier(config, classes, seed)

    def batches(context: StepContext) -> tuple[Tensor, Tensor]:
        drawn = epoch_rows(rows, context.step, size, stable_seed(seed, "volumes"))[context.share(size)]
        return volumes[drawn].to(context.device), label[drawn].to(context.device)

    held = hashlib.blake2b(volumes.contiguous().numpy().data, digest_size=8)
    held.update(label.numpy().tobytes())
    run = RunFolder.open(folder, {**asdict(config), "seed": seed, "classes": classes, "volumes": held.hexdigest()})
    fit(method, batches, FitSettings(config.steps, seed), run)
    return method


def accuracy(classifier: SubtomogramClassifier, labelled: Labelled) -> float:
    """The part of some volumes whose class it names."""
    volumes, label = labelled
    return float((classifier.label(volumes).argmax(1) == label).double().mean())
