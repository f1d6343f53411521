"""How the tilt series that subtomograms were cut out of were taken, where a table of tomograms says it."""

from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import get_args

from frazil.data.subtomogram_files import CORRECTION
from frazil.data.subtomograms import Subtomograms
from frazil.data.tilt_series_tables import lens_ranges_of, read_tomograms, scheme_of
from frazil.physics import CTFRanges
from frazil.physics.tilt_backprojection import Correction
from frazil.physics.tilt_scheme import TiltScheme

_UNSAID = {"ice_thickness", "b_factor", "tilt_weighting"}
_SAID = {"ctf", *(field.name for part in (TiltScheme, CTFRanges) for field in fields(part))} - _UNSAID


def refuse_told_twice(given: Collection[str]) -> None:
    """ValueError for an option that a table of tomograms says too."""
    if twice := sorted(_SAID & set(given)):
        raise ValueError(f"--{twice[0].replace('_', '-')}: --tomograms says that too; give one of the two")


def as_taken(
    tomograms: Path, real: Subtomograms | None, tilts: TiltScheme, lens: CTFRanges
) -> tuple[TiltScheme, CTFRanges]:
    """Tilts, dose and lenses as a table of tomograms says, of those of real subtomograms or of all; else as given."""
    if real is not None and (real.table is None or "rlnTomoName" not in real.table):
        raise ValueError(f"{real.source}: says no tomograms (rlnTomoName), so --tomograms tells nothing of it")
    found = read_tomograms(tomograms, None if real is None else real.table)
    if not found:
        raise ValueError(f"{tomograms}: lists no tomogram (rlnTomoName)")
    if single := [name for name, one in found.items() if len(one.series) < 2]:
        raise ValueError(f"{tomograms}: {single[0]} has one image, which is no tilt series")
    series = found.values()
    try:
        tilts, lens = scheme_of(series, tilts), lens_ranges_of(series, lens)
    except ValueError as error:
        raise ValueError(f"{tomograms}: {error}") from None
    first, last = tilts.tilt_range
    turned = f" turned by {min(tilts.pretilts):g} to {max(tilts.pretilts):g}" if tilts.pretilts else ""
    print(
        f"{tomograms}: tilts from {first:g} to {last:g} degrees by {tilts.tilt_step:.3g}{turned},"
        f" {tilts.dose_per_tilt:.3g} electrons per square"
        f" angstrom each, defocus {lens.defocus[0]:.0f} to {lens.defocus[1]:.0f} angstrom"
    )
    return tilts, lens


def correction_of(real: Subtomograms, told: Correction | None) -> Correction:
    """What was done about the lens of real subtomograms; ValueError where what is told is not what their table says."""
    says = None if real.table is None or CORRECTION not in real.table else str(real.table[CORRECTION].iloc[0])
    known: Correction | None = next((one for one in get_args(Correction) if one == says), None)
    if says is not None and known is None:
        raise ValueError(f"{real.source}: {CORRECTION} is {says}, none of {', '.join(get_args(Correction))}")
    if known is not None and told not in (None, known):
        raise ValueError(f"--correction {told}: {real.source} says {known}, {CORRECTION}")
    return told or known or "phase-flip"
