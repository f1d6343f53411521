"""Crops of micrographs whose particles are known, for a picker to learn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.micrographs import ScaledMicrograph

_SPREAD = 0.12  # of a particle's diameter: how far from a centre a pixel counts as nearly one (standard deviation)
_EMPTY = 0.25  # of the crops show nothing but noise


@dataclass(frozen=True)
class KnownMicrograph:
    """A micrograph at the network's scale, and where its particles are."""

    seen: ScaledMicrograph
    places: Float[Tensor, "count xy"]
    """Of its own pixels."""

    def centres(self, particle_px: float) -> Float[Tensor, "y x"]:
        """1 in the pixel of each centre, and falling to 0 around it."""
        height, width = self.seen.image.shape
        truth = torch.zeros(height, width)
        y, x = torch.arange(height)[:, None], torch.arange(width)
        for across, down in self.places.round().long().tolist():
            if 0 <= across < width and 0 <= down < height:
                square = (x - across) ** 2 + (y - down) ** 2
                torch.maximum(truth, torch.exp(-square / (2 * (_SPREAD * particle_px) ** 2)), out=truth)
        return truth


class Crops(NamedTuple):
    """Parts of micrographs, and where centres are in them."""

    images: Float[Tensor, "batch crop crop"]
    truth: Float[Tensor, "batch crop crop"]


class CropSampler:
    """Crops from anywhere on some micrographs, turned and mirrored, and noise that has the spectra of such crops.

    Where labelled micrographs are full, only the noise says what one looks like that is not.
    """

    def __init__(self, known: Sequence[KnownMicrograph], crop: int, particle_px: float) -> None:
        for one in known:
            if min(one.seen.image.shape) < crop:
                height, width = one.seen.image.shape
                raise ValueError(
                    f"{one.seen.name}: at {particle_px:g} px a particle it is {width} x {height} px, too small for"
                    f" crops of {crop}; give a smaller --crop"
                )
        self._pairs = [torch.stack([one.seen.image, one.centres(particle_px)]) for one in known]
        self._crop = crop

    def draw(self, count: int, generator: torch.Generator) -> Crops:
        """Crops by chance."""
        drawn = torch.stack([random_crop(self._pairs, self._crop, generator) for _ in range(count)])
        empty = torch.rand(count, 1, 1, generator=generator) < _EMPTY
        noise = phases_by_chance(drawn[:, 0], generator)
        return Crops(torch.where(empty, noise, drawn[:, 0]), drawn[:, 1] * ~empty)


def phases_by_chance(images: Float[Tensor, "batch y x"], generator: torch.Generator) -> Float[Tensor, "batch y x"]:
    """Noise with the spectrum of each image: nothing in it stands out that did (Theiler et al., Physica D 58, 1992)."""
    chance = torch.fft.rfft2(torch.randn(images.shape, generator=generator))
    phases = chance / chance.abs().clamp(min=1e-12)
    return torch.fft.irfft2(torch.fft.rfft2(images).abs() * phases, s=images.shape[-2:])


def random_crop(
    images: Sequence[Float[Tensor, "fields _y _x"]], crop: int, generator: torch.Generator
) -> Float[Tensor, "fields crop crop"]:
    """A square part of one of some images of several fields, from anywhere, turned and mirrored."""
    image = images[_below(len(images), generator)]
    top, left = (_below(side - crop + 1, generator) for side in image.shape[1:])
    part = torch.rot90(image[:, top : top + crop, left : left + crop], _below(4, generator), (1, 2))
    return part.flip(-1) if _below(2, generator) else part


def _below(end: int, generator: torch.Generator) -> int:
    return int(torch.randint(end, (1,), generator=generator))
