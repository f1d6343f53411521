"""CryoGAN as a whole: two halves that share nothing, stages that lose nothing, symmetry by construction."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from frazil.geometry import Pose, centred_coordinates, fourier_crop, random_rotations, rotate_volume, symmetry_rotations
from frazil.methods.base import StepContext
from frazil.methods.cryogan import CryoGAN, HalfConditions, published_recipe
from frazil.physics import ColouredNoise, TriangularShifts, UniformRotations, form_images


def at(step: int, seed: int = 5) -> StepContext:
    return StepContext(step, seed, torch.device("cpu"))


def trained(tiny: Any, method: CryoGAN, steps: int, images: Any = None) -> list[dict[str, Any]]:
    """The halves' states after some steps; `images` may change what they see."""
    for step in range(steps):
        batch = tiny.images(method.config, at(step))
        method.update(images(batch) if images else batch, at(step))
    return [half.state_dict() for half in method.halves]


def assert_same(one: Any, other: Any) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=0)


# --- two halves -------------------------------------------------------------------------------------------------------


def test_the_first_half_knows_nothing_of_the_second(tiny: Any) -> None:
    """Other images, other noise, other lenses and fewer particles in half 2: half 1 is the same to the bit."""
    config = tiny.config()
    calm = trained(tiny, tiny.cryogan(config), sum(config.steps))
    other = replace(tiny.conditions(slope=7.0), ctf=None, particles=3)
    disturbed = tiny.cryogan(config, [tiny.conditions(slope=1.0), other])
    states = trained(tiny, disturbed, sum(config.steps), lambda batch: [batch[0], 3 * batch[1].flip(-1)])
    assert_same(states[0], calm[0])
    assert not torch.equal(states[1]["voxels"], calm[1]["voxels"])


def test_the_second_half_knows_nothing_of_the_first(tiny: Any) -> None:
    config = tiny.config()
    calm = trained(tiny, tiny.cryogan(config), sum(config.steps))
    disturbed = tiny.cryogan(config, [tiny.conditions(slope=9.0), tiny.conditions(slope=2.0)])
    states = trained(tiny, disturbed, sum(config.steps), lambda batch: [batch[0].flip(-1), batch[1]])
    assert_same(states[1], calm[1])
    assert not torch.equal(states[0]["voxels"], calm[0]["voxels"])


def test_two_halves_of_the_same_images_differ(tiny: Any) -> None:
    """Own critic, own poses, own noise: half maps that agreed by construction would have no meaning."""
    config = tiny.config()
    method = tiny.cryogan(config, [tiny.conditions(), tiny.conditions()])
    one, other = trained(tiny, method, 1, lambda batch: [batch[0], batch[0]])
    for name in ("voxels", "average"):
        assert not torch.equal(one[name], other[name])
    same = [name for name in one["critic"] if torch.equal(one["critic"][name], other["critic"][name])]
    assert all(name.endswith("bias") for name in same)


def test_halves_share_no_memory(tiny: Any) -> None:
    method = tiny.cryogan()
    trained(tiny, method, 3)

    def storages(state: Any) -> Iterator[int]:
        if isinstance(state, Tensor):
            yield state.untyped_storage().data_ptr()
        for value in state.values() if isinstance(state, dict) else state if isinstance(state, list) else ():
            yield from storages(value)

    one, other = (set(storages(half.state_dict())) for half in method.halves)
    assert not one & other


@pytest.fixture
def several_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("several_threads")
def test_halves_side_by_side_on_two_threads_equal_halves_one_after_the_other(tiny: Any) -> None:
    states = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        method = tiny.cryogan()
        states.append(trained(tiny, method, 4))
    assert_same(states[0], states[1])


# --- stages -----------------------------------------------------------------------------------------------------------

FIELD, OLD, NEW = 96.0, 16, 24


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


def smooth_blob(box: int) -> Tensor:
    """Off the centre, finer than neither box."""
    place = centred_coordinates(box, 3) * (FIELD / box) - torch.tensor([9.0, -6.0, 3.0])
    return torch.exp(-place.square().sum(-1) / (2 * 10.0**2))


def log_scales(half: Any) -> dict[str, Tensor]:
    """What is learnt of the strength of signal and noise; the tensors are the half's own."""
    return {name: value for name, value in half.state_dict().items() if name.startswith("log_")}


def entered(tiny: Any, batch_size: int = 32) -> tuple[Any, Tensor, Tensor]:
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
    method = CryoGAN(config, [white(config.boxes)], support=(36.0, 42.0))
    generator = torch.Generator().manual_seed(2)
    batches = [torch.randn(config.critic_steps, batch_size, box, box, generator=generator) for box in config.boxes]
    method.update([batches[0]], at(0))
    (half,) = method.halves
    with torch.no_grad():
        half.voxels.copy_(smooth_blob(OLD))
        half.average.copy_(smooth_blob(OLD))
        for place, log_scale in enumerate(log_scales(half).values()):
            log_scale.copy_(0.1 * torch.arange(1, log_scale.numel() + 1).view(log_scale.shape) - 0.3 * place)
    before = half.volume()
    method.update([batches[1]], at(1))
    return half, before, half.volume()


def test_a_new_stage_keeps_the_density(tiny: Any) -> None:
    half, before, after = entered(tiny)
    assert half.box == NEW
    assert half.pixel_size == FIELD / NEW
    expected = fourier_crop(before, NEW, 3)
    correlation = torch.corrcoef(torch.stack([after.flatten(), expected.flatten()]))[0, 1]
    assert correlation > 0.999


def test_a_new_stage_keeps_the_contrast_against_the_noise(tiny: Any) -> None:
    """Images of a stage, cropped to the old box and normalised again, show the particle as strong as before."""
    _, before, after = entered(tiny)
    pose = Pose(random_rotations(8, torch.Generator().manual_seed(0)), torch.zeros(8, 2))
    old = form_images(before, pose, None, FIELD / OLD)
    new = fourier_crop(form_images(after, pose, None, FIELD / NEW), OLD)
    noise = fourier_crop(torch.randn(500, NEW, NEW), OLD).std()
    # 32 images say how strong the background is to half a percent.
    assert (new / noise - old).norm() < 0.03 * old.norm()


def test_a_new_stage_keeps_the_learnt_scales(tiny: Any) -> None:
    """A shell keeps its scale, and the finer shells that are new take the finest one's."""
    half, _, _ = entered(tiny)
    for place, log_scale in enumerate(log_scales(half).values()):
        kept = (OLD // 2 + 1) if log_scale.numel() > 1 else 1
        expected = 0.1 * torch.arange(1, log_scale.numel() + 1).clamp(max=kept).view(log_scale.shape) - 0.3 * place
        torch.testing.assert_close(log_scale, expected)


def test_a_new_stage_keeps_what_the_critic_can_keep(tiny: Any) -> None:
    config = tiny.config(critic_rate=0.0)
    method = tiny.cryogan(config)
    before = trained(tiny, method, config.steps[0])[0]["critic"]
    step = config.steps[0]
    method.update(tiny.images(config, at(step)), at(step))
    after = method.halves[0].state_dict()["critic"]
    assert torch.equal(before["features.0.weight"], after["features.0.weight"])
    assert torch.equal(before["features.0.bias"], after["features.0.bias"])


def test_the_stage_is_told_by_its_box(tiny: Any) -> None:
    method = tiny.cryogan()
    assert [method.stage(step) for step in range(4)] == ["16 px", "16 px", "24 px", "24 px"]


def test_a_state_of_any_stage_can_be_taken_up(tiny: Any) -> None:
    method = tiny.cryogan()
    trained(tiny, method, 3)
    fresh = tiny.cryogan()
    fresh.load_state_dict(method.state_dict())
    assert fresh.halves[0].box == NEW
    assert torch.equal(fresh.halves[0].volume(), method.halves[0].volume())


# --- the volume -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("symmetry", ["C4", "D2", "O"])
@pytest.mark.parametrize("negativity", ["free", "relaxed"])
def test_the_volume_has_the_symmetry_asked_for(tiny: Any, symmetry: str, negativity: str) -> None:
    """On an odd box the quarter and half turns of these groups move voxels onto voxels."""
    config = tiny.config(boxes=(15,), steps=(1,), batch_sizes=(4,), symmetry=symmetry, negativity=negativity)
    method = tiny.cryogan(config)
    trained(tiny, method, 1)
    volume = method.halves[0].volume()
    assert volume.std() > 0
    for rotation in symmetry_rotations(symmetry):
        torch.testing.assert_close(rotate_volume(volume, rotation), volume, rtol=0, atol=1e-4 * float(volume.std()))


def test_a_volume_of_lower_symmetry_is_left_so(tiny: Any) -> None:
    config = tiny.config(boxes=(15,), steps=(1,), batch_sizes=(4,), symmetry="C2")
    method = tiny.cryogan(config)
    trained(tiny, method, 1)
    volume = method.halves[0].volume()
    quarter = symmetry_rotations("C4")[1]
    assert (rotate_volume(volume, quarter) - volume).norm() > 0.1 * volume.norm()


def test_the_volume_ends_at_its_support(tiny: Any) -> None:
    method = CryoGAN(tiny.config(), [tiny.conditions()] * 2, support=(24.0, 30.0))
    trained(tiny, method, 1)
    distance = centred_coordinates(16, 3).norm(dim=-1) * FIELD / 16
    volume = method.halves[0].volume()
    assert (volume[distance > 0.8 * FIELD / 2] == 0).all()
    assert (volume[distance < 12] != 0).any()


def test_relaxed_negativity_allows_one_percent_of_the_maximum_at_the_end(tiny: Any) -> None:
    method = tiny.cryogan(tiny.config(negativity="relaxed", averaging=0.0))
    trained(tiny, method, 1)
    with torch.no_grad():
        method.halves[0].voxels.copy_(torch.randn(16, 16, 16))
    volume = method.halves[0].volume()
    assert float(volume.min()) == pytest.approx(-0.01 * float(volume.max()), rel=1e-4)
    assert tiny.cryogan(tiny.config(negativity="free")).halves[0].volume().min() == 0


def test_the_average_is_the_result_or_else_the_last_iterate(tiny: Any) -> None:
    for averaging, name in ((0.9, "average"), (0.0, "voxels")):
        method = tiny.cryogan(tiny.config(averaging=averaging, symmetry="C1", negativity="free"))
        state = trained(tiny, method, 2)[0]
        shown = state[name] * method.halves[0].sphere
        volume = method.halves[0].volume()
        torch.testing.assert_close(volume / volume.std(), shown / shown.std())


# --- what it tells -----------------------------------------------------------------------------------------------------


def test_a_method_that_has_learnt_nothing_has_no_resolution(tiny: Any) -> None:
    assert tiny.cryogan().figures(at(0)) == {}


def test_equal_half_maps_agree_to_nyquist(tiny: Any) -> None:
    config = tiny.config(boxes=(16,), steps=(1,), batch_sizes=(4,))
    method = tiny.cryogan(config)
    trained(tiny, method, 1)
    with torch.no_grad():
        for half in method.halves:
            half.voxels.copy_(smooth_blob(16) + 0.5 * smooth_blob(16).roll((2, 3), (0, 2)))
            half.average.copy_(half.voxels)
    assert method.figures(at(0))["half_map_resolution"] <= 1.15 * 2 * FIELD / 16


def test_examples_are_images_of_the_first_half_the_same_each_time(tiny: Any) -> None:
    method = tiny.cryogan()
    trained(tiny, method, 1)
    examples = method.examples(5, seed=1)
    assert examples.shape == (5, 16, 16)
    assert bool(torch.isfinite(examples).all())
    assert not examples.requires_grad
    assert torch.equal(examples, method.examples(5, seed=1))
    assert not torch.equal(examples, method.examples(5, seed=2))


def test_the_published_recipe_takes_a_step(tiny: Any) -> None:
    recipe = replace(published_recipe(16, images=8, epochs=1), critic_width=4)
    method = tiny.cryogan(recipe, [tiny.conditions((16,)) for _ in range(2)])
    scalars = method.update(tiny.images(recipe, at(0)), at(0))
    assert all(bool(torch.isfinite(torch.as_tensor(value))) for value in scalars.values())


def test_an_unknown_symmetry_is_refused_when_the_method_is_made(tiny: Any) -> None:
    with pytest.raises(ValueError, match="unknown symmetry 'Q7': use C1, C4"):
        tiny.cryogan(tiny.config(symmetry="Q7"))
