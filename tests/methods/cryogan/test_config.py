"""CryoGAN's configuration: stages, rates, and the published recipe's own numbers."""

from dataclasses import fields, replace
from itertools import pairwise

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from frazil.data import Support
from frazil.methods.cryogan import CryoGAN, CryoGANConfig, HalfConditions, published_recipe
from frazil.methods.cryogan.config import rate_factor, waits
from frazil.physics import ColouredNoise, TriangularShifts, UniformRotations

THREE = CryoGANConfig(boxes=(16, 24, 40), steps=(5, 1, 7), batch_sizes=(2, 4, 8))


def test_stages_follow_each_other_without_a_gap() -> None:
    assert [stage.start for stage in THREE.stages] == [0, 5, 6]
    for before, after in pairwise(THREE.stages):
        assert before.start + before.steps == after.start
    assert [(stage.box, stage.batch_size) for stage in THREE.stages] == [(16, 2), (24, 4), (40, 8)]


def test_each_step_belongs_to_one_stage_and_the_end_to_the_last() -> None:
    assert [THREE.stage(step).box for step in range(14)] == [16] * 5 + [24] + [40] * 8


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"boxes": (16, 24)}, "its own number of --boxes and --steps, .* not 16, 24 px, "),
        ({"steps": (1,)}, "px, 1 steps, "),
        ({"batch_sizes": (1, 2, 3, 4)}, "steps, 1, 2, 3, 4 images"),
        ({"boxes": (), "steps": (), "batch_sizes": ()}, "each stage needs its own number"),
        ({"boxes": (24, 16, 40)}, r"boxes must grow from stage to stage, these are \(24, 16, 40\)"),
        ({"boxes": (16, 16, 40)}, "boxes must grow from stage to stage"),
    ],
)
def test_stages_that_do_not_fit_together_are_refused(changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(THREE, **changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"boxes": (4, 24, 40)}, r"boxes must be 8 or more, not \(4, 24, 40\)"),
        ({"steps": (5, 0, 7)}, r"steps must be 1 or more, not \(5, 0, 7\)"),
        ({"batch_sizes": (2, 4, -8)}, "batch_sizes must be 1 or more"),
        ({"critic_steps": 0}, "critic_steps must be 1 or more, not 0"),
        ({"volume_rate": -0.1}, "volume_rate must be 0 or more, not -0.1"),
        ({"smoothing": float("nan")}, "smoothing must be 0 or more, not nan"),
        ({"averaging": 1.0}, "averaging must be less than 1, not 1"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_by_name(changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(THREE, **changes)


def test_stages_finer_than_the_images_are_left_out() -> None:
    kept = THREE.up_to(24)
    assert (kept.boxes, kept.steps, kept.batch_sizes) == ((16, 24), (5, 1), (2, 4))
    assert replace(kept, boxes=THREE.boxes, steps=THREE.steps, batch_sizes=THREE.batch_sizes) == THREE
    assert THREE.up_to(40) == THREE
    assert THREE.up_to(1000) == THREE


def test_a_stage_finer_than_the_images_is_held_at_their_box() -> None:
    kept = THREE.up_to(33)
    assert (kept.boxes, kept.steps, kept.batch_sizes) == ((16, 24, 33), (5, 1, 7), (2, 4, 8))


def test_images_smaller_than_every_stage_get_one_at_their_own_box() -> None:
    kept = THREE.up_to(12)
    assert (kept.boxes, kept.steps, kept.batch_sizes) == ((12,), (5,), (2,))


def test_a_box_beyond_the_last_stage_gets_one_of_its_own() -> None:
    config = CryoGANConfig().reaching(128)
    assert (config.boxes, config.steps) == ((32, 48, 64, 128), (5000, 700, 350, 350))
    assert CryoGANConfig().reaching(64) == CryoGANConfig()


@pytest.mark.parametrize(
    ("images", "boxes", "steps"),
    [
        (50_000, (32, 48, 64), (5000, 700, 350)),
        (7_000, (32, 48), (5000, 468)),
        (6_500, (32,), (5000,)),  # 78 steps more would only spoil the map
        (761, (32,), (594,)),
        (10, (32,), (200,)),
    ],
)
def test_few_images_get_fewer_steps(images: int, boxes: tuple[int, ...], steps: tuple[int, ...]) -> None:
    """100 passes: 4 critic steps of 32 images each are 128 images a step."""
    config = CryoGANConfig().for_images(images)
    assert (config.boxes, config.steps, len(config.stages)) == (boxes, steps, len(boxes))


@pytest.mark.parametrize(("images", "weight"), [(761, 1.31), (5000, 0.2), (10_000, 0.1), (50_000, 0.1)])
def test_fewer_images_ask_for_a_smoother_critic(images: int, weight: float) -> None:
    assert CryoGANConfig().smoothed(images).penalty_weight == pytest.approx(weight, rel=0.01)


@pytest.mark.parametrize(("field", "boxes"), [(245.0, (32,)), (480.0, (32, 48)), (900.0, (32, 48, 64))])
def test_a_rough_map_takes_fewer_steps_to_the_first_box_that_shows_a_detail(
    field: float, boxes: tuple[int, ...]
) -> None:
    """Two pixels a wave: 32 px of 245 angstrom show 15.3, of 480 angstrom 30, and 48 px 20."""
    config = CryoGANConfig().rough(field, 24.0)
    assert (config.boxes, config.steps) == (boxes, (1500, 210, 105)[: len(boxes)])


def test_rates_fall_exponentially_from_the_start_of_a_stage_to_its_end_and_begin_lower_in_later_ones() -> None:
    config = replace(THREE, final_rate=0.01)
    factors = [rate_factor(config, step) for step in range(13)]
    for stage, begin in ((config.stages[0], 1.0), (config.stages[2], 0.2)):
        first, last = stage.start, stage.start + stage.steps - 1
        assert factors[first] == pytest.approx(begin)
        assert factors[last] == pytest.approx(0.01)
        ratios = [later / earlier for earlier, later in pairwise(factors[first : last + 1])]
        assert ratios == pytest.approx([ratios[0]] * len(ratios))
        assert ratios[0] < 1
    assert factors[config.stages[1].start] == pytest.approx(0.2)


def test_rates_that_hardly_fall_are_not_lower_in_a_later_stage_than_at_the_end_of_the_first() -> None:
    config = replace(THREE, final_rate=0.5)
    assert rate_factor(config, config.stages[1].start) == 0.5


def test_the_volume_waits_for_the_critic_at_the_start_of_every_stage_but_the_first() -> None:
    config = CryoGANConfig(boxes=(16, 24), steps=(200, 300), batch_sizes=(8, 8))
    assert [step for step in range(500) if waits(config, step)] == list(range(200, 250))


def test_a_short_stage_waits_for_half_its_steps_at_most() -> None:
    config = CryoGANConfig(boxes=(16, 24), steps=(4, 6), batch_sizes=(8, 8))
    assert [step for step in range(10) if waits(config, step)] == [4, 5, 6]


def test_a_configuration_is_at_most_twenty_fields_each_with_a_sentence() -> None:
    import inspect

    source = inspect.getsource(CryoGANConfig)
    assert len(fields(CryoGANConfig)) <= 20
    for field in fields(CryoGANConfig):
        after = source.split(f"    {field.name}: ")[1].split("\n")[1]
        assert after.strip().startswith('"""'), f"{field.name} has no sentence under it"


# --- what was published (Gupta et al. 2021, sections III-C and IV) ---------------------------------------------------


def test_the_published_recipe_has_the_published_numbers() -> None:
    recipe = published_recipe(192, images=20_561)
    assert recipe.boxes == (192,)
    assert recipe.batch_sizes == (8,)
    assert recipe.critic_steps == 4
    assert recipe.critic_rate == recipe.volume_rate == 1e-3
    assert (recipe.adversary, recipe.penalty_weight) == ("wasserstein-per-pixel", 1.0)
    assert recipe.smoothing == 2.0
    assert recipe.negativity == "relaxed"
    assert recipe.views == ()
    assert recipe.averaging == recipe.shrinkage == 0.0
    assert recipe.conditions == "given"


def test_an_epoch_of_half_of_beta_galactosidase_has_514_steps() -> None:
    half = 41_123 // 2
    assert published_recipe(192, half, epochs=1).steps == (514,)
    assert published_recipe(192, half).steps[0] == pytest.approx(15 * 514, abs=15)


def test_the_published_rates_fall_by_8_percent_an_epoch() -> None:
    recipe = published_recipe(192, images=20_561)
    epoch = recipe.steps[0] / 15
    for number in range(15):
        assert rate_factor(recipe, round(number * epoch)) == pytest.approx(0.92**number, rel=0.01)


def test_few_images_still_make_a_step() -> None:
    assert published_recipe(32, images=3, epochs=1).steps == (1,)


@pytest.mark.slow
def test_the_published_critic_has_57_million_parameters_and_15_gigaflop_an_image() -> None:
    recipe, field = published_recipe(192, images=20_561), 192 * 1.3
    conditions = HalfConditions(
        rotations=UniformRotations(),
        shifts=TriangularShifts(3.0, field),
        ctf=None,
        noise=ColouredNoise({192: torch.ones(1, 97)}, torch.zeros(1, dtype=torch.int64)),
        particles=1,
        field=field,
    )
    critic = CryoGAN(recipe, [conditions], support=Support(90.0, 5.0)).halves[0].critics[0].critic
    assert sum(parameter.numel() for parameter in critic.parameters()) / 1e6 == pytest.approx(56.85, abs=0.005)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        critic(torch.zeros(1, 192, 192))
    assert counter.get_total_flops() / 1e9 == pytest.approx(15.35, abs=0.01)


def test_one_batch_size_is_that_of_every_stage() -> None:
    config = CryoGANConfig(boxes=(16, 24), steps=(4, 6), batch_sizes=(8,))
    assert [stage.batch_size for stage in config.stages] == [8, 8]
    assert [stage.batch_size for stage in config.reaching(32).stages] == [8, 8, 8]
    assert [stage.batch_size for stage in config.up_to(16).stages] == [8]
