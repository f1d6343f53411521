"""What the page of a cryoDRGN run warns of, and what it does not."""

from typing import Any

from frazil.report.cryodrgn import warnings


def log(*held_out: float, **last: float) -> list[dict[str, Any]]:
    """Lines of a log whose gain of images held out goes like this."""
    rows = [
        {"step": 100 * (number + 1), "held_out_gain": value, "gain": value + 1.0, "divergence": 6.0}
        for number, value in enumerate(held_out)
    ]
    rows[-1] |= last
    return rows


def test_a_good_run_warns_of_nothing() -> None:
    assert warnings(log(10.0, 30.0, 41.0, 40.0), view_dependence=0.02) == []
    assert warnings([], 0.0) == []


def test_noise_that_is_learnt_is_warned_of_with_the_step_from_which_it_was() -> None:
    rows = [{"step": 50, "held_out_gain": None, "gain": None}, *log(10.0, 30.0, 41.0, 22.0)]
    (sentence,) = warnings(rows, 0.0)
    assert "learns noise" in sentence
    assert "best at step 300 (a gain of 41) and has fallen to 22" in sentence


def test_noise_that_is_learnt_is_warned_of_where_images_held_out_gain_less() -> None:
    (sentence,) = warnings(log(10.0, 30.0, 40.0, gain=55.0), 0.0)
    assert "learns noise: it says less of images held out (a gain of 40) than of those" in sentence
    assert warnings(log(10.0, 30.0, 40.0, gain=45.0), 0.0) == []


def test_a_run_that_has_hardly_begun_is_told_so_and_nothing_else_of_noise() -> None:
    (sentence,) = warnings(log(0.2, 0.9, 0.5, gain=1.1), 0.0)
    assert "hardly say anything of the images yet (a gain of 1.1, of 3 and more when they do)" in sentence


def test_latents_that_say_nothing_are_warned_of() -> None:
    (sentence,) = warnings(log(10.0, 30.0, divergence=0.01), 0.0)
    assert "The latents say nothing (a divergence of 0.01 nats)" in sentence


def test_latents_that_follow_the_view_are_warned_of() -> None:
    (sentence,) = warnings(log(10.0, 30.0), 0.34)
    assert "34 % of it can be told" in sentence


def test_a_run_without_images_held_out_is_not_judged_by_them() -> None:
    rows = [{"step": 100, "gain": 3.0, "divergence": 5.0}]
    assert warnings(rows, 0.0) == []
