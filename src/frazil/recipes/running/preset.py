"""What a user wants of learning, whatever the preset."""

from typing import Any


def set_by_user(learning: Any, given: tuple[str, ...]) -> dict[str, Any]:
    """Settings that are not the default's, and those that stood on the command line (`given`) though they are."""
    default = vars(type(learning)())
    return {name: value for name, value in vars(learning).items() if name in given or value != default[name]}
