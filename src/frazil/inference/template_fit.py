"""What a micrograph's lens is, and how large its particles are: such that they stand out most in a matched filter."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, max_pool2d

from frazil.geometry import filter_field, rectangle_frequency
from frazil.inference.field_statistics import measure_field
from frazil.inference.matched_filter import MatchedFilter, average_view
from frazil.physics import CTF, CTFRanges, FourierVolume, evaluate_ctf, make_ctf

_DEFOCI = torch.arange(5_000.0, 42_500.0, 2_500.0)  # angstrom
_SIZES = torch.arange(0.9, 1.105, 0.01)  # of the template's
_CLOSE = 0.02  # of the highest score, within which others have a say in where the highest is
_NEAR = 5  # pixels a side, within which the score is looked for where another template's was highest
_CLEARLY = 0.08  # of the highest score, by which the lowest is lower where candidates can be told apart


def defocus_templates(
    structures: Sequence[FourierVolume], lens: CTFRanges, pixel_size: float
) -> list[Float[Tensor, "box box"]]:
    """The structures' mean image at each defocus that a micrograph may have; `lens` says the rest of the microscope."""
    lenses = [
        make_ctf(
            defocus[None],
            voltage_kv=lens.voltage_kv,
            cs_mm=lens.cs_mm,
            amplitude_contrast=lens.amplitude_contrast,
        )
        for defocus in _DEFOCI
    ]
    return [average_view(structures, one, pixel_size) for one in lenses]


def likely_defocus(
    field: Float[Tensor, "y x"], templates: Sequence[Float[Tensor, "box box"]], pixel_size: float, diameter: float
) -> float | None:
    """Defocus in angstrom of a micrograph, protein dark, to a few thousand, by `defocus_templates`.

    The mean of those under which the structures' mean image stands out nearly as well as it can; None where that hardly
    depends on it, as with particles that look different from every side.
    """
    return _best(_DEFOCI, _scores(field, templates, pixel_size, diameter))


def likely_size(
    field: Float[Tensor, "y x"],
    structures: Sequence[FourierVolume],
    lens: CTF | None,
    pixel_size: float,
    diameter: float,
) -> float | None:
    """How much larger the particles of a micrograph look than the structures: 1 where pixel sizes are right.

    None where the structures' mean image does not tell.
    """
    bare = average_view(structures, None, pixel_size)
    views = [_enlarged(bare, float(by)) for by in _SIZES]
    if lens is not None:
        transfer = evaluate_ctf(lens, rectangle_frequency((len(bare), len(bare)), pixel_size))[0]
        views = [filter_field(view, transfer) for view in views]
    return _best(_SIZES, _scores(field, views, pixel_size, diameter))


def _scores(
    field: Float[Tensor, "y x"], templates: Sequence[Float[Tensor, "box box"]], pixel_size: float, diameter: float
) -> Float[Tensor, " templates"]:
    """Median score by each template of the particles that the one in the middle finds, in the noise between them."""
    measured = measure_field(field, templates[len(templates) // 2], pixel_size, diameter)
    if not measured.count:
        return torch.zeros(len(templates))
    size = (field.shape[1], field.shape[0])
    x, y = measured.found.place.round().long().clamp(min=0).minimum(torch.tensor(size) - 1).T
    found = []
    for template in templates:
        score = MatchedFilter.of(template, measured.noise, size, pixel_size).score(-field)
        found.append(max_pool2d(score[None], _NEAR, 1, _NEAR // 2)[0, y, x].median())
    return torch.stack(found)


def _best(of: Float[Tensor, " candidates"], scores: Float[Tensor, " candidates"]) -> float | None:
    """The middle of the candidates that score nearly as the best does, if others score clearly less."""
    if not scores.min() < (1 - _CLEARLY) * scores.max():
        return None
    weight = (scores - (1 - _CLOSE) * scores.max()).clamp(min=0)
    return float((weight * of).sum() / weight.sum())


def _enlarged(view: Float[Tensor, "box box"], by: float) -> Float[Tensor, "box box"]:
    """A view about its pixel box // 2 with all lengths multiplied."""
    box = len(view)
    line = (torch.arange(box) - box // 2) / by + box // 2
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij")[::-1], -1)
    place = (2 * grid + 1) / box - 1
    return grid_sample(view[None, None], place[None], mode="bicubic", align_corners=False)[0, 0]
