"""Properties of every linear step between a volume and its images, each asked of all operators in one registry.

An operator acts on a volume under a batch of conditions, or on a batch of images each under its own condition.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from frazil.geometry import (
    Pose,
    fourier_crop,
    fourier_transform,
    inverse_fourier_transform,
    random_rotations,
    rotate_volume,
    shift_phase,
    symmetrise,
    symmetry_rotations,
)
from frazil.physics import (
    CTF,
    central_slices,
    colour_noise,
    crop_centre,
    form_images,
    project,
    project_in_real_space,
    to_fourier_volume,
)

COUNT = 3
PIXEL_SIZE = 3.0


def conditions(dtype: torch.dtype) -> tuple[Pose, CTF]:
    """Poses and lenses of a batch, the same at every call; generic: astigmatic, U and V either way, phase plate."""
    generator = torch.Generator().manual_seed(23)
    shift = 6 * torch.randn(COUNT, 2, generator=generator, dtype=torch.float64)
    pose = Pose(random_rotations(COUNT, generator, torch.float64), shift)
    rows = [[9000.0, 12000, 15000], [9500.0, 11000, 15000], [30.0, 75, 0], [300.0, 200, 300], [2.7, 2.0, 0.01]]
    rows += [[0.1, 0.07, 0.1], [0.0, 0, 90], [0.0, 50, 100]]
    return pose.to(dtype), CTF(*torch.tensor(rows, dtype=torch.float64)).to(dtype)


def spectrum_power(box: int, dtype: torch.dtype) -> Tensor:
    shells = torch.arange(box // 2 + 1, dtype=dtype)
    return 0.2 + torch.stack([torch.exp(-shells / 4), 1 / (1 + shells), shells.cos() ** 2])


@dataclass(frozen=True)
class Operator:
    name: str
    apply: Callable[[Tensor, slice], Tensor]
    """What it makes of a volume, or of the images of a part of the batch, under that part's conditions."""
    on_volume: bool

    def input(self, box: int, dtype: torch.dtype, seed: int = 1) -> Tensor:
        shape = (box,) * 3 if self.on_volume else (COUNT, box, box)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def on_volume(name: str, apply: Callable[[Tensor, Pose, CTF], Tensor]) -> Operator:
    def act(volume: Tensor, part: slice) -> Tensor:
        pose, ctf = conditions(volume.dtype)
        return apply(volume, pose[part], ctf[part])

    return Operator(name, act, True)


def on_images(name: str, apply: Callable[[Tensor, slice], Tensor]) -> Operator:
    return Operator(name, apply, False)


def per_pose(pose: Pose, output: Tensor) -> Tensor:
    """The batch of an operator that knows no conditions."""
    return output.expand(len(pose), *output.shape)


def shift_pixels(images: Tensor, part: slice) -> Tensor:
    return conditions(images.dtype)[0].shift[part] / PIXEL_SIZE


OPERATORS = [
    on_volume("project", lambda volume, pose, ctf: project(volume, pose.rotation)),
    on_volume("project in real space", lambda volume, pose, ctf: project_in_real_space(volume, pose.rotation)),
    on_volume("Fourier volume", lambda volume, pose, ctf: per_pose(pose, to_fourier_volume(volume).values)),
    *[
        on_volume(
            f"central slices, padding {padding}, field {field}",
            lambda volume, pose, ctf, padding=padding, field=field: torch.view_as_real(
                central_slices(to_fourier_volume(volume, padding), pose.rotation, field * volume.shape[-1])
            ),
        )
        for padding, field in [(1, 1), (2, 1), (2, 2), (3, 1)]
    ],
    *[
        on_volume(
            f"form images, margin {margin}, {'with' if lens else 'without'} lens",
            lambda volume, pose, ctf, margin=margin, lens=lens: form_images(
                volume, pose, ctf if lens else None, PIXEL_SIZE, margin
            ),
        )
        for margin in (1, 2)
        for lens in (True, False)
    ],
    on_volume(
        "rotate volume",
        lambda volume, pose, ctf: torch.stack([rotate_volume(volume, rotation) for rotation in pose.rotation]),
    ),
    on_volume("symmetrise", lambda volume, pose, ctf: per_pose(pose, symmetrise(volume, symmetry_rotations("D2")))),
    on_volume("crop a volume", lambda volume, pose, ctf: per_pose(pose, fourier_crop(volume, 10, 3))),
    on_images("crop images to an even box", lambda images, part: fourier_crop(images, 10)),
    on_images("crop images to an odd box", lambda images, part: fourier_crop(images, 11)),
    on_images("enlarge images", lambda images, part: fourier_crop(images, 22)),
    on_images("cut the centre out", lambda images, part: crop_centre(images, 9)),
    on_images(
        "shift images",
        lambda images, part: torch.view_as_real(
            fourier_transform(images) * shift_phase(shift_pixels(images, part), images.shape[-1])
        ),
    ),
    on_images("transform images", lambda images, part: torch.view_as_real(fourier_transform(images))),
    on_images(
        "transform and back",
        lambda images, part: inverse_fourier_transform(fourier_transform(images), images.shape[-1]),
    ),
    on_images(
        "colour noise by one spectrum",
        lambda images, part: colour_noise(images, spectrum_power(images.shape[-1], images.dtype)[0]),
    ),
    on_images(
        "colour noise by each image's spectrum",
        lambda images, part: colour_noise(images, spectrum_power(images.shape[-1], images.dtype)[part]),
    ),
]

every_operator = pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
odd_and_even = pytest.mark.parametrize("box", [14, 15])
WHOLE = slice(None)


@odd_and_even
@every_operator
def test_every_operator_is_linear(operator: Operator, box: int) -> None:
    first, second = operator.input(box, torch.float64, 1), operator.input(box, torch.float64, 2)
    together = operator.apply(2.5 * first - 0.5 * second, WHOLE)
    torch.testing.assert_close(together, 2.5 * operator.apply(first, WHOLE) - 0.5 * operator.apply(second, WHOLE))
    assert operator.apply(torch.zeros_like(first), WHOLE).abs().max() == 0


@odd_and_even
@every_operator
def test_every_operator_has_its_adjoint_by_autograd(operator: Operator, box: int) -> None:
    x, elsewhere = operator.input(box, torch.float64, 1), operator.input(box, torch.float64, 2).requires_grad_()
    image = operator.apply(elsewhere, WHOLE)
    y = torch.randn(image.shape, dtype=torch.float64)
    (adjoint,) = torch.autograd.grad(image, elsewhere, y)
    torch.testing.assert_close((operator.apply(x, WHOLE) * y).sum(), (x * adjoint).sum())


@odd_and_even
@every_operator
def test_every_operator_treats_each_of_a_batch_as_if_it_were_alone(operator: Operator, box: int) -> None:
    x = operator.input(box, torch.float64)
    whole = operator.apply(x, WHOLE)
    assert len(whole) == COUNT
    for row in range(COUNT):
        part = slice(row, row + 1)
        torch.testing.assert_close(operator.apply(x if operator.on_volume else x[part], part), whole[part])


@odd_and_even
@every_operator
def test_every_operator_gives_the_same_in_single_and_double_precision(operator: Operator, box: int) -> None:
    double = operator.apply(operator.input(box, torch.float64), WHOLE)
    single = operator.apply(operator.input(box, torch.float32), WHOLE)
    assert single.dtype == torch.float32
    assert double.dtype == torch.float64
    assert (single - double).norm() < 1e-5 * double.norm()


@odd_and_even
@every_operator
def test_every_operator_gives_the_same_under_mixed_precision(operator: Operator, box: int) -> None:
    x = operator.input(box, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = operator.apply(x, WHOLE)
    torch.testing.assert_close(mixed, operator.apply(x, WHOLE))
