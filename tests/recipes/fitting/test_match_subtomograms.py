"""What is said of a fit to real subtomograms."""

import pytest

from frazil.recipes.fitting.match_subtomograms import _warn_of_others


@pytest.mark.parametrize(
    ("found", "said"),
    [((-64.0, 63.0), ""), ((-64.0, 48.0), "shows tilts from about -64 to 48"), ((-76.0, 62.0), "-76")],
)
def test_tilts_that_the_missing_wedge_does_not_show_are_warned_of(
    found: tuple[float, float], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _warn_of_others(found, (-60.0, 60.0))
    told = capsys.readouterr().out
    assert said in told
    assert bool(told) == bool(said)
