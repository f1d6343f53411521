"""How the tilt series that subtomograms were cut out of were taken, where a table of tomograms says it."""

from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pandas as pd

from frazil.data.ctf_columns import FLIPPED, PREMULTIPLIED
from frazil.data.subtomogram_files import CORRECTION
from frazil.data.subtomograms import Subtomograms
from frazil.data.tomograms_read import dose_of, lens_ranges_of, read_tomograms, scheme_of
from frazil.io.particle_table import finite_numbers
from frazil.physics import CTFRanges
from frazil.physics.tilt_backprojection import Correction
from frazil.physics.tilt_scheme import TiltScheme

_TILTS = {field.name for field in fields(TiltScheme)} - {"ice_thickness", "tilt_weighting", "dose_per_tilt"}
_LENS = {"ctf", *(field.name for field in fields(CTFRanges))} - {"b_factor"}


def as_taken(
    tomograms: Path,
    real: Subtomograms | None,
    tilts: TiltScheme,
    lens: CTFRanges,
    given: Collection[str] = (),
) -> tuple[TiltScheme, CTFRanges]:
    """Tilts, dose and lenses as a table of tomograms says, of those of real subtomograms or of all; else as told.

    ValueError for a table that will not do, and for an option `given` that it says too.
    """
    if real is not None and (real.table is None or "rlnTomoName" not in real.table):
        raise ValueError(f"{real.source}: says no tomograms (rlnTomoName), so --tomograms tells nothing of it")
    found = read_tomograms(tomograms, None if real is None else real.table)
    if not found:
        raise ValueError(f"{tomograms}: lists no tomogram (rlnTomoName)")
    if single := [name for name, one in found.items() if len(one.series) < 2]:
        raise ValueError(f"{tomograms}: {single[0]} has one image, which is no tilt series")
    dose, seen = dose_of(found.values()), any(one.series.lens is not None for one in found.values())
    says = _TILTS | ({"dose_per_tilt"} if dose else set()) | (_LENS if seen else set())
    if twice := sorted(says & set(given)):
        raise ValueError(f"--{twice[0].replace('_', '-')}: {tomograms} says that too; give one of the two")
    try:
        tilts, lens = scheme_of(found.values(), tilts), lens_ranges_of(found.values(), lens)
    except ValueError as error:
        raise ValueError(f"{tomograms}: {error}") from None
    first, last = tilts.tilt_range
    turned = f" turned by {min(tilts.pretilts):g} to {max(tilts.pretilts):g}" if tilts.pretilts else ""
    print(
        f"{tomograms}: tilts from {first:g} to {last:g} degrees by {tilts.tilt_step:.3g}{turned},"
        f" {tilts.dose_per_tilt:.3g} electrons per square angstrom each{'' if dose else ' (which it does not say)'},"
        f" defocus {lens.defocus[0]:.0f} to {lens.defocus[1]:.0f} angstrom{'' if seen else ' (which it does not say)'}"
    )
    return tilts, lens


def correction_of(real: Subtomograms, told: Correction | None) -> Correction:
    """What was done about the lens of real subtomograms; ValueError where what is told is not what their table says."""
    column, says = _says_of_lens(real)
    known: Correction | None = next((one for one in get_args(Correction) if one == says), None)
    if says is not None and known is None:
        raise ValueError(f"{real.source}: {column} is {says}, none of {', '.join(get_args(Correction))}")
    if known is not None and told not in (None, known):
        raise ValueError(f"--correction {told}: {real.source} says {known}, {column}")
    return told or known or "phase-flip"


def _says_of_lens(real: Subtomograms) -> tuple[str, str | None]:
    """What the table says was done about the lens, and the column that says it: frazil's, or one of RELION's."""
    table = pd.DataFrame() if real.table is None else real.table
    if CORRECTION in table:
        return CORRECTION, str(table[CORRECTION].iloc[0])
    if PREMULTIPLIED in table and finite_numbers(table, PREMULTIPLIED, real.source).any():
        raise ValueError(
            f"{real.source}: {PREMULTIPLIED} is 1, the volumes were multiplied by their CTF, which is not supported;"
            " extract stacks of tilt images, and make volumes of them with `frazil reconstruct subtomograms`"
        )
    if FLIPPED in table and finite_numbers(table, FLIPPED, real.source).all():
        return FLIPPED, "phase-flip"
    return "", None
