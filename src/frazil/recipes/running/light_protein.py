"""Subtomograms whose protein is light, whatever it is on file."""

from dataclasses import replace
from typing import Literal

from frazil.data.subtomograms import Subtomograms

Contrast = Literal["auto", "light", "dark"]


def with_light_protein(found: Subtomograms, contrast: Contrast, radius: float) -> Subtomograms:
    """Subtomograms that are turned on reading where protein, of a radius in angstrom, is dark; auto measures it.

    By no more than a third of the box: where nothing is left beside protein, either sign explains all.
    """
    sign, room = {"light": 1.0, "dark": -1.0}.get(contrast), found.box * found.pixel_size / 3
    if sign is None and (sign := found.measured_sign(min(radius, room))) is None:
        print(f"{found.source}: nothing tells whether protein is dark or light; it is taken to be light (--contrast)")
        return found
    if contrast == "auto" and sign < 0:
        print(f"{found.source}: protein is dark, and is turned (--contrast light leaves it)")
    return replace(found, sign=sign)
