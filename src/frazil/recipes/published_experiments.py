"""CryoGAN's published experiments (Gupta et al. 2021) as runs: at full size for a GPU, small enough for a CPU.

The small ones show the same field of view in fewer pixels, with as much noise for each square angstrom of the image:
what of the signal is left at that detail is as hard to see as at full size.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from frazil.methods.cryogan import CryoGANConfig
from frazil.recipes.cryogan import CryoGANRun
from frazil.recipes.simulate_particles import SimulateParticles

Size = Literal["gpu", "cpu"]
Preset = Literal["default", "paper"]

_SMALL_COUNT, _FULL_COUNT = 20_000, 41_000


@dataclass(frozen=True)
class Published:
    """What the paper found, angstrom; None where it does not say."""

    half: float
    """Half maps, FSC 0.143."""
    truth_half: float | None = None
    """Against the truth, FSC 0.5."""
    truth: float | None = None
    """Against the truth, FSC 0.143."""


@dataclass(frozen=True)
class Experiment:
    """The images to simulate, or None where they are real, and the run that reconstructs them."""

    images: SimulateParticles | None
    reconstruction: CryoGANRun
    published: Published | None


@dataclass(frozen=True)
class Place:
    """Where an experiment runs, and where its inputs are."""

    out: Path
    """Folder of its images and of its run."""
    data: Path
    """Folder with models/, maps_5A/, betagal_empiar10061/ and ctf_tables/."""
    size: Size = "cpu"
    preset: Preset = "default"
    seed: int = 0

    @property
    def betagal_ctf(self) -> str:
        """The lenses of EMPIAR-10061."""
        return str(self.data / "betagal_empiar10061" / "micrographs_ctf_1539.star")


@dataclass(frozen=True)
class _Specimen:
    model: str
    ctf: str
    diameter: float
    box: int
    pixel_size: float
    small_box: int


def _betagal(place: Place, small_box: int = 64) -> _Specimen:
    return _Specimen(str(place.data / "models" / "5a1a.cif.gz"), place.betagal_ctf, 190.0, 192, 1.274, small_box)


def _ribosome(place: Place) -> _Specimen:
    ctf = place.data / "ctf_tables" / "empiar10028_80S_ctf.npy"
    return _Specimen(str(place.data / "maps_5A" / "4v7r.mrc"), str(ctf), 320.0, 180, 2.68, 64)


def _experiment(
    place: Place,
    specimen: _Specimen,
    noise: tuple[float, float],
    published: Published | None,
    euler_variances: tuple[float | None, float | None] = (None, None),
    symmetry: str = "C1",
) -> Experiment:
    """`noise`: SNR at full size in dB, shifts in percent; `euler_variances`: of the true views, and of the prior's."""
    snr_db, shift_percent = noise
    fewer = 1.0 if place.size == "gpu" else specimen.small_box / specimen.box
    images = SimulateParticles(
        specimen.model,
        place.out / "data",
        box=round(fewer * specimen.box),
        pixel_size=specimen.pixel_size / fewer,
        count=_FULL_COUNT if place.size == "gpu" else _SMALL_COUNT,
        snr_db=snr_db - 20 * math.log10(fewer),
        shift_percent=shift_percent,
        seed=place.seed,
        euler_variance=euler_variances[0],
        ctf=specimen.ctf,
        allow_clipping=shift_percent > 5,
    )
    reconstruction = CryoGANRun(
        images.out / "particles.star",
        place.out / "run",
        contrast="light",
        diameter=specimen.diameter,
        shift_percent=shift_percent,
        box=images.box,
        seed=place.seed,
        preset=place.preset,
        euler_variance=euler_variances[1],
        learning=CryoGANConfig(symmetry=symmetry),
    )
    return Experiment(images, reconstruction, published)


BETAGAL = {
    (-20.0, 0.0): Published(8.6, 15.3, 11.7),
    (-5.2, 0.0): Published(7.5, 8.3, 6.5),
    (-20.0, 3.0): Published(10.8, 14.7, 11.5),
    (-20.0, 20.0): Published(14.3, 23.2, 19.8),
}
RIBOSOME = {
    20.0: Published(15.5, 20.9),
    0.0: Published(18.8, 21.9),
    -5.2: Published(19.5, 24.1),
    -14.0: Published(63.0, 81.0),
    -20.0: Published(57.1, 104.3),
}
MISMATCH = {
    (None, None): Published(8.6),
    (None, 2.0): Published(13.2),
    (None, 3.0): Published(17.2),
    (2.0, None): Published(9.2),
    (2.0, 2.0): Published(9.4),
    (2.0, 3.0): Published(14.7),
    (3.0, None): Published(8.6),
    (3.0, 2.0): Published(10.6),
    (3.0, 3.0): Published(12.7),
}
"""By the variance of the true Euler angles and by that of the prior's; None for uniform views."""


def cryogan_betagal_synthetic(place: Place, snr_db: float = -20.0, shift_percent: float = 0.0) -> Experiment:
    """Synthetic beta-galactosidase, D2, at a signal-to-noise ratio and with shifts up to a percentage of the box."""
    noise = (snr_db, shift_percent)
    return _experiment(place, _betagal(place), noise, BETAGAL.get(noise), symmetry="D2")


def cryogan_ribosome_noise(place: Place, snr_db: float = -14.0) -> Experiment:
    """The asymmetric 80S ribosome, shifted by up to 5 % of the box, in ever stronger noise."""
    return _experiment(place, _ribosome(place), (snr_db, 5.0), RIBOSOME.get(snr_db))


def cryogan_pose_mismatch(place: Place, true: float | None = None, prior: float | None = None) -> Experiment:
    """Beta-galactosidase at -20 dB whose views are not distributed as CryoGAN is told; None for uniform views."""
    specimen = _betagal(place, small_box=48)
    return _experiment(place, specimen, (-20.0, 0.0), MISMATCH.get((true, prior)), (true, prior), "D2")


def cryogan_betagal_real(place: Place, particles: Path) -> Experiment:
    """Particles of EMPIAR-10061 from a STAR file, 192 px at 1.274 angstrom."""
    reconstruction = CryoGANRun(
        particles,
        place.out / "run",
        contrast="dark",
        diameter=190.0,
        box=192 if place.size == "gpu" else 64,
        seed=place.seed,
        preset=place.preset,
        learning=CryoGANConfig(symmetry="D2"),
    )
    return Experiment(None, reconstruction, Published(12.08))
