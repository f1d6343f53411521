"""What is put under the microscope: an atomic model, a map, or a phantom, as a volume."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.scatterers import PHANTOMS, read_scatterers
from frazil.geometry import centred_coordinates
from frazil.io import Map, read_map
from frazil.physics import low_pass

_ATOMIC_MODELS = (".pdb", ".ent", ".cif", ".mmcif")
_MAPS = (".mrc", ".map", ".ccp4")
SURFACE = 0.1
"""Of its maximum, above which a voxel is a structure's."""


@dataclass(frozen=True)
class Specimen:
    """A volume and the distance in angstrom from its centre to the particle's farthest point."""

    volume: Float[Tensor, "box box box"]
    pixel_size: float
    radius: float
    latent: float = 1.0
    """What tells it from the others of a data set (`Structure.latent`)."""
    what: str = "all alike"
    """The same in words."""


def read_specimen(
    model: str,
    box: int,
    pixel_size: float,
    resolution: float | None = None,
    assembly: str | None = None,
    shift: float = 0.0,
) -> Specimen:
    """The molecule that `model` names, low-passed to `resolution` angstrom (default: Nyquist).

    `model` is a PDB or mmCIF file (its centre of mass comes to the centre of the box), a map (its centre stays
    the centre; resampled), or a phantom's name. `assembly` names a biological assembly of an atomic model, "first"
    being the first. Raises ValueError where the particle does not fit in the box, moved by up to `shift` angstrom
    along x or y.
    """
    resolution = resolution or 2 * pixel_size
    kind = kind_of_model(model)
    if assembly is not None and kind != "atoms":
        raise ValueError(f"{model}: only an atomic model has a biological assembly, {assembly!r} was asked for")
    if kind == "map":
        density = read_map(model)
        radius = _map_radius(density, model)
        check_fit(radius, box, pixel_size, shift, model)
        return Specimen(low_pass(resample(density, box, pixel_size), pixel_size, resolution), pixel_size, radius)
    molecule = read_scatterers(model, assembly)
    check_fit(molecule.radius, box, pixel_size, shift, model)
    return Specimen(molecule.volume(box, pixel_size, resolution), pixel_size, molecule.radius)


def radius_of(model: str, assembly: str | None = None) -> float:
    """Distance in angstrom from the centre of the molecule that `model` names to its farthest point."""
    if kind_of_model(model) == "map":
        return _map_radius(read_map(model), model)
    return read_scatterers(model, assembly).radius


def kind_of_model(model: str) -> Literal["phantom", "atoms", "map"]:
    """What a model is, by its name; ValueError where that says nothing."""
    if model in PHANTOMS:
        return "phantom"
    suffixes = [suffix.lower() for suffix in Path(model).suffixes if suffix.lower() not in (".gz", ".bz2")]
    last = suffixes[-1] if suffixes else ""
    if last in _ATOMIC_MODELS:
        return "atoms"
    if last in _MAPS:
        return "map"
    known = ", ".join(_ATOMIC_MODELS + _MAPS)
    words = " or ".join(PHANTOMS)
    raise ValueError(f"{model}: the model must be a file ending in {known} (.gz too), or the word {words}")


def check_fit(radius: float, box: int, pixel_size: float, shift: float, what: str, advice: str = "") -> None:
    """ValueError, with a box that would do, and what else where the shift alone is too much, where a particle of that
    radius leaves this one."""
    room = box * pixel_size / 2
    if radius + shift > room:
        needed = int(2 * (radius + shift) / pixel_size) + 1
        advice = advice if radius <= room else ""
        moved = f" and shifts add up to {shift:.1f}" if shift else ""
        raise ValueError(
            f"{what} reaches {radius:.1f} angstrom from its centre{moved}, but a box of {box} px at "
            f"{pixel_size:g} angstrom leaves {room:.1f}: use a box of at least {needed + needed % 2} px{advice}"
        )


def mean_density(volume: Float[Tensor, "box box box"]) -> float:
    """Mean value of a structure where it is."""
    return float(volume[volume > SURFACE * volume.max()].mean())


def equally_dense(
    models: Sequence[str], box: int, pixel_size: float, resolution: float | None = None, shift: float = 0.0
) -> list[Float[Tensor, "box box box"]]:
    """Structures of mean density 1 where they are: the units of maps are their own.

    Refuses, as `read_specimen` does, what does not fit in its box when it is moved by `shift` angstrom.
    """
    volumes = []
    for model in models:
        volume = read_specimen(model, box, pixel_size, resolution, shift=shift).volume
        if not volume.std() > 0:
            raise ValueError(f"{model}: no density falls in the box")
        volumes.append(volume / mean_density(volume))
    return volumes


def _map_radius(density: Map, model: str) -> float:
    """Distance from the centre of a map to its farthest voxel above a tenth of its maximum."""
    volume = density.volume
    if volume.max() <= 0:
        raise ValueError(f"{model}: has no positive density; a map's protein must be positive")
    inside = (volume > SURFACE * volume.max()).nonzero()
    centre = torch.tensor([size // 2 for size in volume.shape])
    return (inside - centre).double().norm(dim=-1).max().item() * density.pixel_size


def resample(density: Map, box: int, pixel_size: float) -> Float[Tensor, "box box box"]:
    """Map on another grid about the same centre, nothing beyond the coarser grid's Nyquist frequency.

    Sinc interpolation along each axis, at any ratio of the pixel sizes; outside the map there is nothing.
    """
    target = centred_coordinates(box, 1)[:, 0] * pixel_size
    coarser = max(pixel_size, density.pixel_size)
    volume = density.volume
    for axis, size in enumerate(volume.shape):
        source = centred_coordinates(size, 1)[:, 0] * density.pixel_size
        weights = torch.sinc((target[:, None] - source) / coarser) * (density.pixel_size / coarser)
        volume = torch.tensordot(volume, weights, dims=([axis], [1])).movedim(-1, axis)
    return volume.contiguous()
