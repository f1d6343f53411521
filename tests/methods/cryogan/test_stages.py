"""CryoGAN going from coarse images to finer ones: what is carried over."""

import math
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from frazil.geometry import Pose, fourier_crop, fourier_transform, random_rotations, shell_index
from frazil.methods.cryogan import CryoGAN, HalfConditions
from frazil.methods.cryogan.views import last_shell
from frazil.physics import ColouredNoise, TriangularShifts, UniformRotations, form_images
from tests.methods.cryogan import tiny
from tests.methods.steps import at

FIELD, OLD, NEW = tiny.FIELD, 16, 24


def white(boxes: tuple[int, ...]) -> HalfConditions:
    """White noise, no lens, no shifts."""
    power = {box: torch.ones(1, box // 2 + 1) for box in boxes}
    return HalfConditions(
        rotations=UniformRotations(),
        shifts=TriangularShifts(0.0, FIELD),
        ctf=None,
        noise=ColouredNoise(power, torch.zeros(4, dtype=torch.int64)),
        particles=4,
        field=FIELD,
    )


def log_scales(half: Any) -> dict[str, Tensor]:
    """What is learnt of the strength of signal and noise; the tensors are the half's own."""
    return {name: value for name, value in half.state_dict().items() if name.startswith("log_")}


class Entered(NamedTuple):
    """A half in its second stage, and its volume before and after the stage began."""

    half: Any
    before: Tensor
    after: Tensor


def entered(batch_size: int = 32) -> Entered:
    """A half that stood at a blob when its second stage began, and the volumes before and after."""
    config = tiny.config(
        boxes=(OLD, NEW),
        steps=(1, 1),
        batch_sizes=(batch_size, batch_size),
        volume_rate=0.0,
        critic_rate=0.0,
        scale_rate=0.0,
        symmetry="C1",
        negativity="free",
        averaging=0.5,
    )
    method = CryoGAN(config, [white(config.boxes)], support=tiny.SUPPORT)
    generator = torch.Generator().manual_seed(2)
    batches = [torch.randn(config.critic_steps, batch_size, box, box, generator=generator) for box in config.boxes]
    method.update([batches[0]], at(0))
    (half,) = method.halves
    with torch.no_grad():
        half.voxels.copy_(tiny.blob(OLD))
        half.average.copy_(tiny.blob(OLD))
        for place, log_scale in enumerate(log_scales(half).values()):
            log_scale.copy_(0.1 * torch.arange(1, log_scale.numel() + 1).view(log_scale.shape) - 0.3 * place)
    before = half.volume()
    method.update([batches[1]], at(1))
    return Entered(half, before, half.volume())


def test_a_new_stage_keeps_the_density() -> None:
    half, before, after = entered()
    assert half.box == NEW
    assert half.pixel_size == FIELD / NEW
    expected = fourier_crop(before, NEW, 3)
    correlation = torch.corrcoef(torch.stack([after.flatten(), expected.flatten()]))[0, 1]
    assert correlation > 0.999


def test_a_new_stage_keeps_the_contrast_against_the_noise() -> None:
    """Images of a stage, cropped to the old box and normalised again, show the particle as strong as before."""
    _, before, after = entered()
    pose = Pose(random_rotations(8, torch.Generator().manual_seed(0)), torch.zeros(8, 2))
    old = form_images(before, pose, None, FIELD / OLD)
    new = fourier_crop(form_images(after, pose, None, FIELD / NEW), OLD)
    noise = fourier_crop(torch.randn(500, NEW, NEW), OLD).std()
    # 32 images say how strong the background is to half a percent.
    assert (new / noise - old).norm() < 0.03 * old.norm()


def test_a_new_stage_keeps_the_learnt_scales() -> None:
    """A shell keeps its scale, and the finer shells that are new take the finest one's."""
    half, _, _ = entered()
    for place, log_scale in enumerate(log_scales(half).values()):
        kept = (OLD // 2 + 1) if log_scale.numel() > 1 else 1
        expected = 0.1 * torch.arange(1, log_scale.numel() + 1).clamp(max=kept).view(log_scale.shape) - 0.3 * place
        torch.testing.assert_close(log_scale, expected)


def test_a_new_stage_keeps_the_critic_and_has_a_finer_one_that_begins_with_its_features() -> None:
    config = tiny.config(critic_rate=0.0)
    method = tiny.cryogan(config)
    before = tiny.trained(method, config.steps[0])[0]["critics"][0]["critic"]
    step = config.steps[0]
    method.update(tiny.images(config, at(step)), at(step))
    kept, finer = (stage["critic"] for stage in method.halves[0].state_dict()["critics"])
    assert all(torch.equal(before[name], kept[name]) for name in before)
    assert torch.equal(before["features.0.weight"], finer["features.0.weight"])
    assert torch.equal(before["features.0.bias"], finer["features.0.bias"])


def test_a_finer_critic_moves_no_detail_that_the_coarser_one_sees() -> None:
    half, _, _ = entered()
    coarse, fine = half.critics
    volume = half.volume().requires_grad_()
    pose = Pose(random_rotations(16, torch.Generator().manual_seed(0)), torch.zeros(16, 2))
    images = form_images(volume, pose, None, FIELD / NEW)
    shell = shell_index(NEW)
    power = {}
    for name, loss in {
        "coarse": coarse.volume_loss(images, None, at(1)),
        "fine": fine.volume_loss(images, coarse, at(1)),
    }.items():
        (gradient,) = torch.autograd.grad(loss, images, retain_graph=True)
        spectrum = fourier_transform(gradient).abs().square().sum(0)
        power[name] = [float(spectrum[part].sum()) for part in (shell <= last_shell(OLD), shell > 0.75 * OLD)]
    assert power["coarse"][0] > 0
    assert power["coarse"][1] < 1e-9 * power["coarse"][0]
    assert power["fine"][1] > 0
    assert power["fine"][0] < 1e-9 * power["fine"][1]


@pytest.mark.parametrize(("reach", "alike", "ends"), [(1.0, False, True), (1.0, True, False), (math.inf, False, False)])
def test_a_finer_stage_begins_only_where_the_halves_agree_to_the_end_of_the_one_before(
    reach: float, alike: bool, ends: bool
) -> None:
    config = tiny.config(volume_rate=0.0)
    method = CryoGAN(config, [tiny.conditions() for _ in range(2)], support=tiny.SUPPORT, reach=reach)
    for step in (0, 1):
        if alike and step:
            for half in method.halves:
                half.average.copy_(tiny.blob(OLD))
                half.voxels.data.copy_(tiny.blob(OLD))
        method.update(tiny.images(config, at(step)), at(step))
        assert method.converged() is (ends and step == 1)
    other = CryoGAN(config, [tiny.conditions() for _ in range(2)], support=tiny.SUPPORT, reach=reach)
    other.load_state_dict(method.state_dict())
    assert other.converged() is ends


def test_the_stage_is_told_by_its_box() -> None:
    method = tiny.cryogan()
    assert [method.stage(step) for step in range(4)] == ["16 px", "16 px", "24 px", "24 px"]


def test_a_state_of_any_stage_can_be_taken_up() -> None:
    method = tiny.cryogan()
    tiny.trained(method, 3)
    fresh = tiny.cryogan()
    fresh.load_state_dict(method.state_dict())
    assert fresh.halves[0].box == NEW
    assert torch.equal(fresh.halves[0].volume(), method.halves[0].volume())
