"""What a simulation is told so that its micrographs are like real ones: counts, strength, lenses, noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from frazil.data.lens_tables import ctf_prior, micrograph_lenses
from frazil.data.measured_curves import write_noise_curve
from frazil.data.micrographs import flattened, scaled_micrograph
from frazil.geometry import half_plane_mean, on_rectangle
from frazil.inference.field_statistics import FieldStatistics, closer_noise, crowding, mean_curve, measure_field
from frazil.inference.matched_filter import average_view
from frazil.inference.particle_count import ParticleCount, particle_count
from frazil.inference.template_fit import defocus_templates, likely_defocus, likely_size
from frazil.io.micrographs import known_pixel_size, micrograph_stem, read_micrograph
from frazil.physics import CTF, CTFTable, FourierVolume
from frazil.recipes.running.progress import progress_bar
from frazil.recipes.simulate_micrographs import SimulateMicrographs, exposure_of, fields_of

FLAT = 3.0
"""Diameters: standard deviation of the blur that is taken off, so that particles keep their coarse detail."""
_SIZED = 6  # micrographs of whose particles the size is measured
_ROUNDS = 3  # of a simulation that is corrected
_MOST = 2.0  # by what factor a count grows in one of them
_FIELDS = 24  # that are simulated to be measured, at least
_SPREAD = 2.0  # deviations above their mean number, of particles for which there is to be room
_UNSEEN = 2.0  # factor by which simulated particles get stronger if none of them is found
_FINER = 4  # points of a spectrum that is written for one that was measured


@dataclass(frozen=True)
class RealSet:
    """Real micrographs at the scale of a simulation, flattened, their noise of variance 1, each with its lens."""

    names: list[str]
    images: list[Float[Tensor, "_y _x"]]
    lenses: list[CTF | None]


def read_real(paths: Sequence[Path], pixel_size: float | None, diameter: float, like: SimulateMicrographs) -> RealSet:
    """Micrographs at the pixel size of a simulation.

    `diameter` is a particle's in angstrom, `pixel_size` the micrographs' where their files do not say. Lenses are
    those of the rows that name them in the file that the simulation draws its lenses from, or one that it might draw.
    """
    named = micrograph_lenses(Path(like.ctf), like.lens) if like.ctf.endswith(".star") else {}
    usual = ctf_prior(like.ctf, like.lens)
    names, images, lenses = [], [], []
    with progress_bar("real micrographs", len(paths)) as advance:
        for number, path in enumerate(paths):
            raw = read_micrograph(path)
            across = diameter / known_pixel_size(path, raw, pixel_size)
            scaled = scaled_micrograph(path.name, raw.image, across, diameter / like.pixel_size, FLAT)
            own = named.get(micrograph_stem(path.name))
            if named and own is None:
                raise ValueError(f"{like.ctf}: says nothing of {path.name}")
            drawn = None if usual is None else usual.sample(1, torch.Generator().manual_seed(number))
            names.append(path.name)
            images.append(scaled.image)
            lenses.append(own if own is not None else drawn)
            advance(1)
    return RealSet(names, images, lenses)


def with_likely_lenses(
    real: RealSet, like: SimulateMicrographs, diameter: float
) -> tuple[RealSet, SimulateMicrographs]:
    """For micrographs whose lenses nobody knows: likely ones, and a simulation that draws defoci between them.

    Both as they were where the particles do not tell.
    """
    templates = defocus_templates(fields_of(like).population.structures, like.lens, like.pixel_size)
    found: list[float | None] = []
    with progress_bar("likely lenses", len(real.images)) as advance:
        for image in real.images:
            found.append(likely_defocus(image, templates, like.pixel_size, diameter))
            advance(1)
    told = [defocus for defocus in found if defocus is not None]
    if len(told) < len(found) / 2:
        print(f"defocus: not told by these particles, {like.lens.defocus} angstrom as it stands")
        return real, like
    likely = [float(np.median(told)) if defocus is None else defocus for defocus in found]
    print(f"defocus: {min(likely):.0f} to {max(likely):.0f} angstrom, by how strongly particles stand out")
    lenses: list[CTF | None] = [
        replace(like.lens, defocus=(defocus, defocus)).sample(1, torch.Generator()) for defocus in likely
    ]
    lens = replace(like.lens, defocus=(float(round(min(likely))), float(round(max(likely)))))
    return RealSet(real.names, real.images, lenses), replace(like, lens=lens)


@dataclass(frozen=True)
class Match:
    """What was measured, and the simulation that has as much of it."""

    simulation: SimulateMicrographs
    real: list[FieldStatistics]
    simulated: list[FieldStatistics]
    size: float | None
    """How much larger the real particles look than the map's, if they tell."""

    def figures(self) -> dict[str, dict[str, float]]:
        """Counts, scores and their spread, and the particles' size, of real and of simulated micrographs."""
        return {"real": _summary(self.real, self.size), "simulated": _summary(self.simulated, self.size and 1.0)}


def _summary(every: Sequence[FieldStatistics], size: float | None) -> dict[str, float]:
    held = particle_count(every)
    found = {"count": held.mean, "count_deviation": held.deviation, "seen": held.seen}
    found["matched_filter_score"] = held.score
    return found if size is None else {**found, "size": size}


def match_simulation(real: RealSet, like: SimulateMicrographs, diameter: float, background: Path) -> Match:
    """A simulation whose particles are as many, as crowded and as strong as the real ones, in noise like theirs.

    `like` says what is simulated and at what pixel size; the noise's spectrum is written to `background`. Count,
    strength and noise are corrected until simulated micrographs, measured as the real ones are, have as much of each;
    in the paper's mode only how many there are and how close they come, as its authors tell their users to.
    """
    structures, pixel_size = fields_of(like).population.structures, like.pixel_size
    measured = [
        measure_field(image, average_view(structures, lens, pixel_size), pixel_size, diameter)
        for image, lens in zip(real.images, real.lenses, strict=True)
    ]
    if not sum(one.count for one in measured):
        raise ValueError("no particle of this structure is seen on the real micrographs; is it the right one?")
    held = particle_count(measured)
    some = [place for place, one in enumerate(measured) if one.count][:_SIZED]
    sizes = [likely_size(real.images[one], structures, real.lenses[one], pixel_size, diameter) for one in some]
    told = [one for one in sizes if one is not None]
    size = round(float(np.median(told)), 3) if told else None
    grid = measured[0].power[:, 0]
    noise = mean_curve([one.noise for one in measured], grid)
    _write_curve(background, noise)
    simulation = replace(
        like,
        particles=round(held.mean, 1),
        particles_deviation=round(held.deviation, 1),
        crowding=crowding(measured, held.mean + _SPREAD * held.deviation, like.size, diameter / like.pixel_size),
    )
    lenses = [real.lenses[number % len(real.lenses)] for number in range(max(_FIELDS, len(real.lenses)))]
    if like.exposure.mode == "paper":
        return Match(simulation, measured, measure_simulated(simulation, structures, diameter, lenses), size)
    exposure = replace(like.exposure, noise=str(background), snr_db=_first_guess(measured, held, simulation))
    simulation = replace(simulation, exposure=exposure)
    for _ in range(_ROUNDS):
        simulated = measure_simulated(simulation, structures, diameter, lenses)
        own = particle_count(simulated)
        stronger = held.strength / own.strength if own.strength else _UNSEEN
        before, noise = noise, closer_noise(noise, measured, simulated, FLAT * diameter, stronger)
        _write_curve(background, noise)
        grown = _total(noise, like) / _total(before, like)
        # As far as particles are seen; where most are not, chance would drive their number away.
        more = (held.mean / max(1.0, own.mean)) ** held.seen
        simulation = _closer(simulation, more, stronger / math.sqrt(grown))
    return Match(simulation, measured, measure_simulated(simulation, structures, diameter, lenses), size)


def _closer(simulation: SimulateMicrographs, more: float, stronger: float) -> SimulateMicrographs:
    """With `more` times as many particles, each `stronger` beside the noise by a factor (of amplitudes)."""
    more = min(_MOST, max(1 / _MOST, more))
    snr_db = simulation.exposure.snr_db + 20 * math.log10(stronger) + 10 * math.log10(more)
    return replace(
        simulation,
        particles=round(simulation.particles * more, 1),
        exposure=replace(simulation.exposure, snr_db=round(snr_db, 2)),
    )


def _total(noise: Float[Tensor, "points 2"], like: SimulateMicrographs) -> float:
    """Variance of a pixel's noise."""
    return half_plane_mean(on_rectangle(noise, like.size, like.pixel_size), like.size[0])


def measure_simulated(
    simulation: SimulateMicrographs,
    structures: Sequence[FourierVolume],
    diameter: float,
    lenses: Sequence[CTF | None],
) -> list[FieldStatistics]:
    """The figures of a simulated micrograph for each of some lenses, treated like real ones."""
    data, found = fields_of(simulation), []
    exposure = exposure_of(simulation, data)
    for number, lens in enumerate(lenses):
        seen_through = replace(data.population, lens=None if lens is None else CTFTable(lens))
        image, _ = replace(data, population=seen_through).micrograph(number, exposure)
        seen = flattened(image, FLAT * diameter / simulation.pixel_size)
        template = average_view(structures, lens, simulation.pixel_size)
        found.append(measure_field(seen, template, simulation.pixel_size, diameter))
    return found


def _write_curve(path: Path, curve: Float[Tensor, "points 2"]) -> None:
    """A spectrum as `--noise` reads it, whose straight lines are too high where it falls steeply: at more points."""
    frequency, power = curve.numpy().T
    fine = np.interp(np.arange(_FINER * (len(curve) - 1) + 1) / _FINER, np.arange(len(curve)), frequency)
    write_noise_curve(path, np.stack([fine, np.exp(np.interp(fine, frequency, np.log(power)))], 1))


def _first_guess(measured: Sequence[FieldStatistics], held: ParticleCount, like: SimulateMicrographs) -> float:
    """SNR in dB of fields with as many particles of the strength that was measured."""
    data = fields_of(replace(like, particles_deviation=0.0))
    clean = data.field(data.labels(0)).image.double().var()
    noise = float(np.mean([one.noise_variance for one in measured]))
    return round(10 * math.log10(float(held.strength**2 * clean / noise)), 2)
