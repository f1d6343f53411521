"""Two maps compared on the command line: `frazil fsc` and `frazil align`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import Tensor

from frazil import metrics
from frazil.geometry import rotation_angle, rotation_to_euler, soft_sphere
from frazil.io import Map, read_map, refuse_what_is_there, write_map
from frazil.metrics import FSC, THRESHOLDS, Alignment


@dataclass(frozen=True)
class CompareMaps:
    """Fourier shell correlation of two maps, and the resolution where it falls to 0.5 and 0.143."""

    first: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FIRST")]
    """First map (MRC); with --align, the one that moves."""
    second: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SECOND")]
    """Second map; with --align, the reference, whose grid is kept."""
    align: bool = False
    """Align the first map to the second before comparing: all rotations, shifts and both hands."""
    mask: str = "none"
    """none; sphere, inside the box; auto, around the density of both maps; or a map file of values 0 to 1. With a
    mask the curve is also corrected for it, by phase randomisation."""
    symmetry: str = "C1"
    """Point group of the second map, as RELION names it; shortens the alignment."""
    json: bool = False
    """Print JSON, with every curve, instead of a table."""
    out: Path | None = None
    """Write the curves to this CSV file."""


@dataclass(frozen=True)
class AlignMaps:
    """Turn and shift a map, or its mirror image, onto another one, and write it on the other's grid."""

    first: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FIRST")]
    """Map that moves (MRC)."""
    second: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SECOND")]
    """Reference; its box and pixel size are kept."""
    out: Path
    """Where to write the aligned map."""
    symmetry: str = "C1"
    """Point group of the reference, as RELION names it; of equivalent rotations the smallest is taken."""
    json: bool = False
    """Print JSON instead of a table."""


@dataclass(frozen=True)
class _Aligned:
    volume: Tensor
    alignment: Alignment
    note: str
    """What was done to the grid of the map that moved; empty where it had the reference's."""


def fsc(options: CompareMaps) -> None:
    """Compare two maps by Fourier shell and print the result."""
    if options.out is not None:
        refuse_what_is_there(options.out)
    first, second = _read(options.first), _read(options.second)
    summary: dict[str, Any] = {"first": str(options.first), "second": str(options.second), **_grid(second)}
    if options.align:
        aligned = _align(first, second, options.symmetry)
        volume = aligned.volume
        summary |= {"alignment": _describe(aligned.alignment), "note": aligned.note}
    else:
        _require_same_grid(options.first, first, options.second, second)
        volume = first.volume
    mask = _mask(options, volume, second)
    curves = _curves(volume, second, mask, _last_shell(first, second))
    if options.out is not None:
        metrics.write_fsc(options.out, curves)
    summary |= {
        "mask": options.mask,
        "resolution": {name: {str(t): curve.resolution(t) for t in THRESHOLDS} for name, curve in curves.items()},
        "frequency": next(iter(curves.values())).frequency.tolist(),
        "curves": {name: curve.correlation.tolist() for name, curve in curves.items()},
    }
    if options.json:
        print(json.dumps(summary))
    else:
        _print_alignment(summary)
        _print_resolutions(summary, curves)


def align(options: AlignMaps) -> None:
    """Align a map to another, write it, and print the motion."""
    refuse_what_is_there(options.out)
    first, second = _read(options.first), _read(options.second)
    aligned = _align(first, second, options.symmetry)
    write_map(options.out, aligned.volume, second.pixel_size)
    summary = {
        "first": str(options.first),
        "second": str(options.second),
        "out": str(options.out),
        **_grid(second),
        "alignment": _describe(aligned.alignment),
        "note": aligned.note,
    }
    if options.json:
        print(json.dumps(summary))
    else:
        _print_alignment(summary)
        _console().print(f"written: {options.out}, {_size(second)}")


def _read(path: Path) -> Map:
    """Map that is a cube and not empty."""
    found = read_map(path)
    shape = found.volume.shape
    if len(set(shape)) > 1:
        raise ValueError(f"{path}: a map must be a cube, but this one has {' x '.join(map(str, shape))} voxels (z y x)")
    if found.volume.max() == found.volume.min():
        raise ValueError(f"{path}: the map is {float(found.volume[0, 0, 0]):g} everywhere")
    return found


def _same_grid(first: Map, second: Map) -> bool:
    return len(first.volume) == len(second.volume) and metrics.same_pixel_size(first.pixel_size, second.pixel_size)


def _require_same_grid(first_path: Path, first: Map, second_path: Path, second: Map) -> None:
    if not _same_grid(first, second):
        raise ValueError(
            f"{first_path} has {_size(first)}, but {second_path} has {_size(second)}: with --align"
            " the first is brought onto the grid of the second"
        )


def _align(first: Map, second: Map, symmetry: str) -> _Aligned:
    volume, alignment = metrics.align_to_grid(
        first.volume, first.pixel_size, second.volume, second.pixel_size, symmetry
    )
    note = "" if _same_grid(first, second) else f"the first map was brought from {_size(first)} to {_size(second)}"
    return _Aligned(volume, alignment, note)


def _mask(options: CompareMaps, volume: Tensor, second: Map) -> Tensor | None:
    """Mask that the option names: none, sphere, auto, or a file."""
    box = len(second.volume)
    if options.mask == "none":
        return None
    if options.mask == "sphere":
        return soft_sphere(box, 0.4 * box, 0.1 * box)
    if options.mask == "auto":
        try:
            # Made for half maps, whose units are the same.
            first, other = (one / one.std() for one in (volume, second.volume))
            return metrics.half_map_mask(first, other, second.pixel_size)
        except ValueError as error:
            raise ValueError(f"{options.first}, {options.second}: {error}") from error
    path = Path(options.mask)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; --mask takes none, sphere, auto or a map file")
    mask = _read(path)
    _require_same_size(path, mask, options.second, second)
    low, high = float(mask.volume.min()), float(mask.volume.max())
    if low < -1e-3 or high > 1 + 1e-3:
        raise ValueError(f"{path}: a mask has values from 0 to 1, but these go from {low:.3g} to {high:.3g}")
    return mask.volume


def _require_same_size(mask_path: Path, mask: Map, path: Path, reference: Map) -> None:
    if mask.volume.shape != reference.volume.shape:
        raise ValueError(f"{mask_path} has {_size(mask)}, but {path} has {_size(reference)}")


def _last_shell(first: Map, second: Map) -> int:
    """Of the second map's grid, the finest shell in which both maps held anything when they were read."""
    lengths = [len(found.volume) * found.pixel_size for found in (first, second)]
    shells = [metrics.last_held_shell(found.volume) for found in (first, second)]
    return min(int(shells[0] * lengths[1] / lengths[0] + 1e-6), shells[1])


def _curves(volume: Tensor, second: Map, mask: Tensor | None, last_shell: int) -> dict[str, FSC]:
    if mask is None:
        return {"unmasked": metrics.fourier_shell_correlation(volume, second.volume, second.pixel_size)}
    generator = torch.Generator().manual_seed(0)  # the same maps give the same figures
    return metrics.half_map_fsc(volume, second.volume, second.pixel_size, mask, generator, last_shell).curves()


def _size(found: Map) -> str:
    return f"{len(found.volume)} voxels a side of {found.pixel_size:.4g} angstrom"


def _grid(found: Map) -> dict[str, Any]:
    return {"box": len(found.volume), "pixel_size": found.pixel_size}


def _describe(alignment: Alignment) -> dict[str, Any]:
    turn = rotation_angle(alignment.rotation, torch.eye(3))
    return {
        "mirrored": alignment.mirrored,
        "turn_deg": float(turn),
        "rot_tilt_psi_deg": rotation_to_euler(alignment.rotation).tolist(),
        "rotation": alignment.rotation.tolist(),
        "shift": alignment.shift.tolist(),
        "score": alignment.score,
    }


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def _print_alignment(summary: dict[str, Any]) -> None:
    """One line for the grid, where it changed, and one for the motion."""
    if summary.get("note"):
        _console().print(summary["note"])
    if "alignment" in summary:
        motion = summary["alignment"]
        angles = ", ".join(f"{angle:.2f}" for angle in motion["rot_tilt_psi_deg"])
        shift = ", ".join(f"{length:.2f}" for length in motion["shift"])
        _console().print(
            f"aligned: {'mirrored, ' if motion['mirrored'] else ''}turned by {motion['turn_deg']:.2f} degrees"
            f" (rot, tilt, psi {angles}), moved by x, y, z {shift} angstrom; correlation {motion['score']:.3f}"
        )


def _print_resolutions(summary: dict[str, Any], curves: dict[str, FSC]) -> None:
    table = Table(title=f"resolution in angstrom, {summary['box']} voxels of {summary['pixel_size']:.4g}")
    table.add_column("curve")
    for threshold in THRESHOLDS:
        table.add_column(f"at FSC = {threshold}", justify="right")
    for name, curve in curves.items():
        table.add_row(name, *(_worded(curve, threshold) for threshold in THRESHOLDS))
    Console(highlight=False).print(table)


def _worded(curve: FSC, threshold: float) -> str:
    """Resolution, with a word where the curve does not cross the threshold."""
    inside = curve.correlation[1:]
    word = " (never below)" if bool((inside >= threshold).all()) else " (box)" if inside[0] < threshold else ""
    return f"{curve.resolution(threshold):.2f}{word}"
