"""`frazil evaluate subtomograms`: how like real subtomograms others are, and how much their labels teach."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import Tensor

from frazil.data.specimens import equally_dense, radius_of
from frazil.data.subtomogram_shares import as_many, class_numbers, thirds
from frazil.data.subtomograms import Subtomograms, read_subtomograms
from frazil.data.tomograms_read import molecules_of
from frazil.io import atomic_path
from frazil.io.particle_table import ANGLES, refuse_twice
from frazil.methods.base import stable_seed
from frazil.methods.classify import ClassifyConfig, SubtomogramClassifier
from frazil.metrics.fidelity import Fidelity, Seen, fidelity
from frazil.metrics.labels_kept import class_correlations, labels_kept
from frazil.metrics.volume_spectra import SECTORS
from frazil.recipes.results.evaluation import refuse_run
from frazil.recipes.running.classifiers import Labelled, accuracy, learn_classifier
from frazil.recipes.running.light_protein import Contrast, with_light_protein
from frazil.report.subtomograms import subtomograms_report

_REAL, _SECOND, _ZEROS = "the real ones", "a second real draw", "zeros"
_ALIKE = 1e-3  # part of a figure by which no two kinds are told apart
_HIGHER = ("precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class EvaluateSubtomograms:
    """Hold labelled subtomograms against real ones: the published figures, and what a classifier learns from each.

    A third of the real ones teaches a classifier, another is the reference, the last a second real draw, which stands
    beside every figure, as empty volumes do beside those of likeness: a figure that cannot tell those two apart says
    nothing, and the command says so. The thirds share no tomogram where there are nine or more.
    """

    real: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="REAL")]
    """RELION's table of the real subtomograms, their classes in rlnClassNumber."""
    others: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="OTHERS")]
    """Tables of the others, the same numbers for the same classes."""
    out: Path
    """Folder for figures.json, report.html and the classifiers; the same command goes on where it stopped."""
    models: tuple[str, ...] = ()
    """The densities of classes 1, 2, ... (atomic models, maps, or the words pseudo-protein and membrane), if it is to
    be seen whether each subtomogram shows the one of its class in the pose that its table says."""
    pixel_size: float | None = None
    """Voxel size in angstrom, where neither tables nor headers say it."""
    contrast: Contrast = "auto"
    """Protein in the real ones; auto measures it, of the others too, whose protein is taken to be light else."""
    neighbours: int = 5
    """Of precision, recall, density and coverage."""
    seed: int = 0
    """Seed of how the real ones are shared out, and of the classifiers."""
    learning: Annotated[ClassifyConfig, tyro.conf.arg(name="")] = field(default_factory=ClassifyConfig)
    """How the classifiers learn."""


@dataclass(frozen=True)
class Scores:
    """One set's figures."""

    fidelity: Fidelity
    tstr: float | None
    """Train on synthetic, test on real: accuracy on the second real draw of a classifier that it taught; the second
    draw's own is what as many real ones taught."""
    trts: float | None
    """Train on real, test on synthetic: accuracy on it of the classifier that the real ones taught. Are its labels
    right?"""
    kept: float | None = None
    """Share that shows the density of its class better than any other's."""

    def figures(self) -> dict[str, float | None]:
        """All of them by name."""
        own = self.fidelity
        raw = {f"{name} (voxels)": value for name, value in asdict(own.voxels).items()}
        seen = {f"{name} (features)": value for name, value in asdict(own.features).items()}
        sectors = {f"spectrum, {name}": float(v) for name, v in zip(SECTORS, own.sectors, strict=True)}
        taught = {"TSTR": self.tstr, "TRTS": self.trts, "class kept": self.kept}
        scores = {"similarity": own.similarity, "FID": own.fid, "inception score": own.inception_score}
        return {**taught, **scores, **raw, **seen, **sectors}


def evaluate_subtomograms(options: EvaluateSubtomograms) -> None:
    """Measure, print, and write the figures and the page."""
    _check(options)
    real = read_subtomograms(options.real, options.pixel_size)
    refuse_twice(real.paths, options.real)
    names = sorted(set(class_numbers(real).tolist()))
    parts = thirds(real, _chance(options, "thirds"))
    sets = _sets(options, real, names, len(parts[1]))
    if len(parts[2]) <= options.neighbours:
        raise ValueError(
            f"{options.real}: {len(real)} subtomograms make thirds of {len(parts[2])}, too few for --neighbours"
            f" {options.neighbours}"
        )
    (taught, reference, second), sets = _with_light_protein(options, real, parts, sets)
    labelled = {name: _labelled(other, names) for name, other in sets.items()}
    truth, again = _labelled(reference, names), _labelled(second, names)
    kept = {}
    if options.models:
        densities = equally_dense(options.models, real.box, real.pixel_size)
        volumes = {_SECOND: again[0], **{name: own[0] for name, own in labelled.items()}}
        kept = {name: _kept(own, volumes[name], densities) for name, own in {_SECOND: second, **sets}.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    folder, learning = options.out / "classifiers", options.learning
    known = _labelled(taught, names)
    classifier = learn_classifier(known, len(names), folder / "of the real ones", learning, options.seed)
    taught_by = {
        name: learn_classifier(own, len(names), folder / f"of {name}", learning, options.seed)
        for name, own in labelled.items()
    }
    ceiling = accuracy(classifier, again)
    found = {_SECOND: _scores(truth, again, classifier, options, ceiling, ceiling)}
    for name, own in labelled.items():
        tstr, trts = accuracy(taught_by[name], again), accuracy(classifier, own)
        found[name] = _scores(truth, own, classifier, options, tstr, trts)
    nothing = (torch.zeros_like(truth[0]), truth[1])
    found[_ZEROS] = _scores(truth, nothing, classifier, options, None, None)
    figures = _known({name: replace(one, kept=kept.get(name)).figures() for name, one in found.items()})
    warnings = [*_no_better_than_chance(ceiling, again), *meaningless(figures)]
    _print(figures, warnings)
    settings = {"real": str(options.real), "count": len(reference), "neighbours": options.neighbours}
    with atomic_path(options.out / "figures.json") as temporary:
        temporary.write_text(json.dumps({**settings, "subtomograms": figures}, indent=2))
    number = torch.tensor(names)
    shown = {name: (own, number[label]) for name, (own, label) in {_REAL: truth, _SECOND: again, **labelled}.items()}
    report = subtomograms_report(shown, figures, warnings, real.pixel_size)
    print(f"report: {report.write(options.out / 'report.html')}")


def _check(options: EvaluateSubtomograms) -> None:
    refuse_run(options.out)
    if not options.others:
        raise ValueError("give one table or more of OTHERS")
    if options.neighbours < 1:
        raise ValueError(f"--neighbours must be 1 or more, it is {options.neighbours}")


def _sets(options: EvaluateSubtomograms, real: Subtomograms, names: list[int], most: int) -> dict[str, Subtomograms]:
    """The others by name, as many of each as there are real ones to hold them against."""
    named = zip(_names(options.others), options.others, strict=True)
    sets = {name: read_subtomograms(path, options.pixel_size) for name, path in named}
    for name, other in sets.items():
        _refuse_others(other, real, names)
        refuse_twice(other.paths, other.source)
        if name in (_REAL, _SECOND, _ZEROS):
            raise ValueError(f"{other.source}: a folder called {name} is taken for one of those; give it another name")
        if len(other) <= options.neighbours:
            raise ValueError(
                f"{other.source}: {len(other)} subtomograms are too few for --neighbours {options.neighbours}"
            )
        if len(other) < most:
            print(f"{name}: {len(other)} subtomograms, held against {most} real ones")
    return {name: as_many(other, most, _chance(options, "as many", name)) for name, other in sets.items()}


def _with_light_protein(
    options: EvaluateSubtomograms, real: Subtomograms, parts: list[Subtomograms], sets: dict[str, Subtomograms]
) -> tuple[list[Subtomograms], dict[str, Subtomograms]]:
    """The parts of the real ones, of whose protein all of them tell, and the others."""
    radius = max(map(radius_of, options.models), default=math.inf)
    sign = with_light_protein(real, options.contrast, radius).sign
    others: Contrast = "auto" if options.contrast == "auto" else "light"
    turned = {name: with_light_protein(other, others, radius) for name, other in sets.items()}
    return [replace(part, sign=sign) for part in parts], turned


def _chance(options: EvaluateSubtomograms, *purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(stable_seed(options.seed, *purpose))


def _names(paths: Sequence[Path]) -> list[str]:
    """What each set is called: its folder, or, where two are called alike, the whole path."""
    short = [path.resolve().parent.name if path.is_file() else path.name for path in paths]
    whole = [str(path.resolve()).strip("/").replace("/", "_") for path in paths]
    return [one if short.count(one) == 1 else other for one, other in zip(short, whole, strict=True)]


def _refuse_others(other: Subtomograms, real: Subtomograms, names: list[int]) -> None:
    own, known = ({path.resolve() for path in some.paths} for some in (other, real))
    if same := own & known:
        raise ValueError(
            f"{other.source}: {len(same)} of its {len(own)} volumes are {real.source}'s own; hold others against them"
        )
    if strange := set(class_numbers(other).tolist()) - set(names):
        raise ValueError(f"{other.source}: class {min(strange)} is none of the real ones' ({names})")
    if other.box != real.box or abs(other.pixel_size / real.pixel_size - 1) > 1e-2:
        raise ValueError(
            f"{other.source}: {other.box} voxels of {other.pixel_size:g} angstrom, the real ones have {real.box} of"
            f" {real.pixel_size:g}"
        )


def _labelled(found: Subtomograms, names: list[int]) -> Labelled:
    """Volumes and their classes, counted from 0."""
    place = {name: place for place, name in enumerate(names)}
    return found.volumes(), torch.tensor([place[name] for name in class_numbers(found).tolist()])


def _kept(own: Subtomograms, volumes: Tensor, densities: list[Tensor]) -> float:
    """The share of a set's subtomograms that show the density of their class better than any other's."""
    if own.table is None or not set(ANGLES) <= set(own.table):
        raise ValueError(f"{own.source}: says no angles ({ANGLES[0]}), and --models asks for them")
    molecules, number = molecules_of(own.table, own.source), class_numbers(own)
    if strange := set(number.tolist()) - set(range(1, len(densities) + 1)):
        raise ValueError(
            f"{own.source}: has class {max(strange)}; --models gives the densities of 1 to {len(densities)}"
        )
    return labels_kept(class_correlations(volumes, densities, molecules, own.pixel_size), molecules)


def _known(figures: dict[str, dict[str, float | None]]) -> dict[str, dict[str, float | None]]:
    """Those figures that something has."""
    names = [name for name in figures[_SECOND] if any(own[name] is not None for own in figures.values())]
    return {kind: {name: own[name] for name in names} for kind, own in figures.items()}


def _scores(
    truth: Labelled,
    own: Labelled,
    classifier: SubtomogramClassifier,
    options: EvaluateSubtomograms,
    tstr: float | None,
    trts: float | None,
) -> Scores:
    return Scores(fidelity(_seen(truth, classifier), _seen(own, classifier), options.neighbours), tstr, trts)


def _seen(labelled: Labelled, classifier: SubtomogramClassifier) -> Seen:
    return Seen(labelled[0], classifier.features(labelled[0]), classifier.label(labelled[0]))


def _no_better_than_chance(ceiling: float, again: Labelled) -> list[str]:
    """A sentence where even the real ones teach nothing, by twice the error of a guess."""
    share = again[1].bincount().max().item() / len(again[1])
    if ceiling > share + 2 * math.sqrt(share * (1 - share) / len(again[1])):
        return []
    return [
        f"TSTR, TRTS and what is measured on features say nothing here: the classifier that real ones taught names"
        f" {ceiling:.3g} of others rightly, where one class alone makes {share:.3g}"
    ]


def meaningless(figures: dict[str, dict[str, float | None]]) -> list[str]:
    """A sentence for each figure by which empty volumes are as good as a second real draw."""
    found = []
    for name, value in figures[_SECOND].items():
        zeros = figures[_ZEROS][name]
        if value is None or zeros is None:
            continue
        higher = name.startswith(_HIGHER) or name in ("similarity", "inception score")
        if zeros >= value - _ALIKE * abs(value) if higher else zeros <= value + _ALIKE * abs(value):
            found.append(
                f"{name} says nothing here: empty volumes have {zeros:.3g}, a second real draw {value:.3g}, and"
                f" {'higher' if higher else 'lower'} is taken for better"
            )
    return found


def _print(figures: dict[str, dict[str, Any]], warnings: list[str]) -> None:
    table = Table(title="against real subtomograms", title_justify="left")
    for column in ("", *figures):
        table.add_column(column)
    for name in figures[_SECOND]:
        row = [figures[kind][name] for kind in figures]
        table.add_row(name, *("-" if value is None else f"{value:.3g}" for value in row))
    Console().print(table)
    for sentence in warnings:
        print(f"warning: {sentence}")
