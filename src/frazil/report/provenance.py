"""What a run was: its command, its configuration, the versions it ran on."""

import dataclasses
import html
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from frazil.report.figure import Figure, Reading, readable

READING = Reading(
    look="The same command with the same versions gives the same result.",
)


def provenance_figure(
    command: str | Sequence[str],
    configuration: Mapping[str, Any],
    versions: Mapping[str, str],
    title: str = "Command, configuration and versions",
) -> Figure:
    """The exact command to copy, every option (nested ones joined by dots), and the versions of what ran it."""
    line = command if isinstance(command, str) else shlex.join(command)
    body = (
        f'<pre class="command"><code>{html.escape(line)}</code></pre><div class="provenance">'
        f"{_definitions('Configuration', flattened(configuration))}"
        f"{_definitions('Versions', versions)}</div>"
    )
    return Figure(title, body, READING)


def flattened(configuration: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings and dataclasses as one level, `critic.width` for the width of the critic."""
    flat: dict[str, Any] = {}
    for name, value in configuration.items():
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _definitions(title: str, values: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(str(name))}</th><td>{html.escape(_written(value))}</td></tr>'
        for name, value in values.items()
    )
    return (
        f'<div class="scroll"><table class="definitions"><caption>{title}</caption><tbody>{rows}</tbody></table></div>'
    )


def _written(value: Any) -> str:
    """Numbers exactly as configured, not rounded for reading."""
    if isinstance(value, list | tuple):
        return ", ".join(_written(entry) for entry in value) or "none"
    return readable(value) if isinstance(value, bool) or value is None else str(value)
