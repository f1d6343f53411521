"""Command, configuration and versions, exactly as they were."""

import html
from dataclasses import dataclass

from frazil.report import provenance_figure
from frazil.report.provenance import flattened


@dataclass(frozen=True)
class Critic:
    width: int
    learning_rate: float


def test_a_command_can_be_copied_into_a_shell() -> None:
    body = provenance_figure(["frazil", "cryogan", "my data/p.star", "--out", "a&b"], {}, {}).body
    assert html.escape("frazil cryogan 'my data/p.star' --out 'a&b'") in body


def test_a_command_that_is_text_stands_as_it_is() -> None:
    assert "frazil demo --out run" in provenance_figure("frazil demo --out run", {}, {}).body


def test_nested_configurations_become_one_level() -> None:
    configuration = {"critic": Critic(32, 1e-3), "prior": {"shift": {"percent": 3}}, "empty": {}}
    assert flattened(configuration) == {
        "critic.width": 32,
        "critic.learning_rate": 1e-3,
        "prior.shift.percent": 3,
        "empty": {},
    }


def test_values_are_not_rounded() -> None:
    body = provenance_figure("", {"seed": 1234567, "rate": 0.000123456, "stages": [32, 48], "mask": None}, {}).body
    for shown in ("1234567", "0.000123456", "32, 48", "none"):
        assert f"<td>{shown}</td>" in body


def test_versions_stand_beside_the_configuration() -> None:
    body = provenance_figure("", {}, {"torch": "2.13.0"}).body
    assert '<th scope="row">torch</th><td>2.13.0</td>' in body
