"""CryoGAN as a whole: two halves that share nothing, stages that lose nothing, symmetry by construction."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from frazil.data import Support
from frazil.geometry import centred_coordinates, fourier_transform, rotate_volume, shell_index, symmetry_rotations
from frazil.methods.cryogan import CryoGAN, published_recipe
from frazil.methods.cryogan.config import View
from frazil.physics import phase_flip, to_fourier_volume
from tests.methods.cryogan import tiny
from tests.methods.states import assert_same
from tests.methods.steps import at

# --- two halves -------------------------------------------------------------------------------------------------------


def test_the_first_half_knows_nothing_of_the_second() -> None:
    """Other images, other noise, other lenses and fewer particles in half 2: half 1 is the same to the bit."""
    config = tiny.config()
    calm = tiny.trained(tiny.cryogan(config), sum(config.steps))
    other = replace(tiny.conditions(slope=7.0), ctf=None, particles=3)
    disturbed = tiny.cryogan(config, [tiny.conditions(slope=1.0), other])
    states = tiny.trained(disturbed, sum(config.steps), lambda batch: [batch[0], 3 * batch[1].flip(-1)])
    assert_same(states[0], calm[0])
    assert not torch.equal(states[1]["voxels"], calm[1]["voxels"])


def test_the_second_half_knows_nothing_of_the_first() -> None:
    config = tiny.config()
    calm = tiny.trained(tiny.cryogan(config), sum(config.steps))
    disturbed = tiny.cryogan(config, [tiny.conditions(slope=9.0), tiny.conditions(slope=2.0)])
    states = tiny.trained(disturbed, sum(config.steps), lambda batch: [batch[0].flip(-1), batch[1]])
    assert_same(states[1], calm[1])
    assert not torch.equal(states[0]["voxels"], calm[0]["voxels"])


def test_two_halves_of_the_same_images_differ() -> None:
    """Own critic, own poses, own noise: half maps that agreed by construction would have no meaning."""
    config = tiny.config()
    method = tiny.cryogan(config, [tiny.conditions(), tiny.conditions()])
    one, other = tiny.trained(method, 1, lambda batch: [batch[0], batch[0]])
    for name in ("voxels", "average"):
        assert not torch.equal(one[name], other[name])
    same = [
        name
        for name in one["critics"][0]["critic"]
        if torch.equal(one["critics"][0]["critic"][name], other["critics"][0]["critic"][name])
    ]
    assert all(name.endswith("bias") for name in same)


def test_halves_share_no_memory() -> None:
    method = tiny.cryogan()
    tiny.trained(method, 3)

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
def test_halves_side_by_side_on_two_threads_equal_halves_one_after_the_other() -> None:
    states = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        method = tiny.cryogan()
        states.append(tiny.trained(method, 4))
    assert_same(states[0], states[1])


# --- the volume -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("symmetry", ["C4", "D2", "O"])
@pytest.mark.parametrize("negativity", ["free", "relaxed"])
def test_the_volume_has_the_symmetry_asked_for(symmetry: str, negativity: str) -> None:
    """On an odd box the quarter and half turns of these groups move voxels onto voxels."""
    config = tiny.config(boxes=(15,), steps=(1,), batch_sizes=(4,), symmetry=symmetry, negativity=negativity)
    method = tiny.cryogan(config)
    tiny.trained(method, 1)
    volume = method.halves[0].volume()
    assert volume.std() > 0
    for rotation in symmetry_rotations(symmetry):
        torch.testing.assert_close(rotate_volume(volume, rotation), volume, rtol=0, atol=1e-4 * float(volume.std()))


def test_a_volume_of_lower_symmetry_is_left_so() -> None:
    config = tiny.config(boxes=(15,), steps=(1,), batch_sizes=(4,), symmetry="C2")
    method = tiny.cryogan(config)
    tiny.trained(method, 1)
    volume = method.halves[0].volume()
    quarter = symmetry_rotations("C4")[1]
    assert (rotate_volume(volume, quarter) - volume).norm() > 0.1 * volume.norm()


def test_the_volume_ends_at_its_support() -> None:
    """But for the ripples of a map without its finest detail."""
    method = CryoGAN(tiny.config(views=("soft-circle",)), [tiny.conditions()] * 2, support=Support(24.0, 6.0))
    tiny.trained(method, 1)
    distance = centred_coordinates(16, 3).norm(dim=-1) * tiny.FIELD / 16
    volume = method.halves[0].volume()
    assert (volume[distance > 1.1 * 24] == 0).all()
    assert (volume[distance < 12] != 0).any()


def test_density_that_nothing_asks_for_shrinks() -> None:
    """Without a gradient a voxel loses the same share at every step: its rate times the shrinkage."""
    config = tiny.config(shrinkage=0.5, volume_rate=0.1, boxes=(16,), steps=(5,), batch_sizes=(4,), symmetry="C1")
    method = tiny.cryogan(config)
    tiny.trained(method, 1)
    (half, _) = method.halves
    corner, rate = (0, 0, 0), half.volume_optimizer.param_groups[0]["lr"]
    with torch.no_grad():
        half.voxels[corner] = 1.0
    half.volume_optimizer.step()
    assert float(half.voxels[corner].detach()) == pytest.approx(1 - 0.5 * rate)
    assert [group["weight_decay"] for group in half.volume_optimizer.param_groups] == [0.5, 0, 0, 0]


def test_relaxed_negativity_allows_one_percent_of_the_maximum_at_the_end() -> None:
    method = tiny.cryogan(tiny.config(negativity="relaxed", averaging=0.0, views=()))
    tiny.trained(method, 1)
    with torch.no_grad():
        method.halves[0].voxels.copy_(torch.randn(16, 16, 16))
    volume = method.halves[0].volume()
    assert float(volume.min()) == pytest.approx(-0.01 * float(volume.max()), rel=1e-4)
    assert tiny.cryogan(tiny.config(negativity="free")).halves[0].volume().min() == 0


def test_the_average_is_the_result_or_else_the_last_iterate() -> None:
    for averaging, name in ((0.9, "average"), (0.0, "voxels")):
        method = tiny.cryogan(tiny.config(averaging=averaging, views=()))
        state = tiny.trained(method, 2)[0]
        shown = state[name] * method.halves[0].sphere
        volume = method.halves[0].volume()
        torch.testing.assert_close(volume / volume.std(), shown / shown.std())


# --- what it tells ---


def test_simulated_images_are_normalised_as_particles_are() -> None:
    (half, _) = tiny.cryogan(tiny.config(views=())).halves
    images = half.simulate(to_fourier_volume(tiny.blob(16)), 8, slice(None), torch.Generator().manual_seed(1))
    background = images[:, centred_coordinates(16, 2).norm(dim=-1) * tiny.FIELD / 16 > 36]
    torch.testing.assert_close(background.mean(1), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(background.std(1), torch.ones(8))


def test_every_simulated_image_has_the_phases_flipped_that_its_own_lens_reversed() -> None:
    """With one lens for all it is known whose: a lens of its own for each is the forward model's concern."""
    lens = tiny.lenses(tiny.PARTICLES)[torch.zeros(tiny.PARTICLES, dtype=torch.long)]
    halves = [replace(tiny.conditions(), ctf=lens)] * 2

    def simulated(*views: View) -> torch.Tensor:
        (half, _) = tiny.cryogan(tiny.config(views=views), halves).halves
        return half.simulate(to_fourier_volume(tiny.blob(16)), 6, slice(None), torch.Generator().manual_seed(1))

    as_seen, flipped = simulated(), simulated("phase-flip")
    assert not torch.equal(flipped, as_seen)
    torch.testing.assert_close(flipped, phase_flip(as_seen, lens, tiny.FIELD / 16))


def test_neither_simulated_images_nor_the_map_have_detail_in_the_corners_of_their_spectrum() -> None:
    """Real images that were cropped have signal there, and a volume in a sphere has none."""
    (half, _) = tiny.cryogan(tiny.config(views=("disc",))).halves
    half.average += torch.randn(half.average.shape)
    spectrum = to_fourier_volume(tiny.blob(16))
    images = half.simulate(spectrum, 6, slice(None), torch.Generator().manual_seed(1)).detach()
    for values, ndim in ((images, 2), (half.volume(), 3)):
        power = fourier_transform(values, ndim).abs().square()
        beyond = shell_index(16, ndim) >= 8
        assert float((power * beyond).sum()) < 1e-8 * float(power.sum())


@pytest.mark.parametrize("conditions", ["learnt", "given"])
def test_learnt_shifts_are_never_larger_than_those_asked_for(conditions: str) -> None:
    method = tiny.cryogan(tiny.config(conditions=conditions, scale_rate=0.5, steps=(8, 2)))
    seen = [tiny.trained(method, step)[0]["log_shift"] for step in (2, 4, 8)]
    assert all(float(value) <= 0 for value in seen)
    assert (conditions == "given") == all(float(value) == 0 for value in seen)


def test_ranks_whose_share_the_penalty_cannot_take_evenly_are_refused() -> None:
    method = tiny.cryogan(tiny.config(batch_sizes=(6, 8), penalty_stride=2))
    alone = replace(at(0), world_size=2, average_gradients=lambda parameters: None)
    with pytest.raises(ValueError, match=r"2 ranks have 3 images each, of which the penalty takes one in 2: .* of 4"):
        method.update(tiny.images(method.config, alone), alone)


def test_a_method_that_has_learnt_nothing_has_no_resolution() -> None:
    assert tiny.cryogan().figures(at(0)) == {}


def with_equal_halves() -> CryoGAN:
    method = tiny.cryogan(tiny.config(boxes=(16,), steps=(1,), batch_sizes=(4,)))
    tiny.trained(method, 1)
    places = [(0, 0, 0), (3, 0, -1), (0, 4, 1), (-4, 1, 3), (1, -2, -4)]
    with torch.no_grad():
        for half in method.halves:
            half.voxels.copy_(sum(tiny.blob(16).square().roll(by, (0, 1, 2)) for by in places))
            half.average.copy_(half.voxels)
    return method


def test_equal_half_maps_agree_to_nyquist() -> None:
    method = with_equal_halves()
    assert method.figures(at(0))["half_map_resolution"] <= 1.15 * 2 * tiny.FIELD / 16


def test_an_alignment_that_early_maps_suggested_is_searched_anew_after_500_steps() -> None:
    """Later maps may agree better on the other hand, where an alignment that is only followed never comes."""
    method = with_equal_halves()
    method.figures(at(0))
    state = method.state_dict()
    turned = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    method.load_state_dict({**state, "alignment": {**state["alignment"], "rotation": turned, "score": 0.0}})
    method.figures(at(499))
    assert method.state_dict()["alignment"]["score"] < 0.98
    method.figures(at(500))
    assert method.state_dict()["alignment"]["score"] > 0.999


def test_examples_are_images_of_the_first_half_the_same_each_time() -> None:
    method = tiny.cryogan()
    tiny.trained(method, 1)
    examples = method.examples(5, seed=1)
    assert examples.shape == (5, 16, 16)
    assert bool(torch.isfinite(examples).all())
    assert not examples.requires_grad
    assert torch.equal(examples, method.examples(5, seed=1))
    assert not torch.equal(examples, method.examples(5, seed=2))


def test_the_published_recipe_takes_a_step() -> None:
    recipe = replace(published_recipe(16, images=8, epochs=1), critic_width=4)
    method = tiny.cryogan(recipe, [tiny.conditions((16,)) for _ in range(2)])
    scalars = method.update(tiny.images(recipe, at(0)), at(0))
    assert all(bool(torch.isfinite(torch.as_tensor(value))) for value in scalars.values())


def test_an_unknown_symmetry_is_refused_when_the_method_is_made() -> None:
    with pytest.raises(ValueError, match="unknown symmetry 'Q7': use C1, C4"):
        tiny.cryogan(tiny.config(symmetry="Q7"))
