"""Choices that CryoGAN's recipe does not have, because they gained nothing: here to be measured again."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data import HalfSets, normalise_by_background
from frazil.geometry import Pose, fourier_transform, half_turn_grid, inverse_fourier_transform, shell_index
from frazil.inference import COARSE_ORDER, FourierDisc, GridPosterior, ParticleImages, finest_shell
from frazil.methods import StepContext
from frazil.methods.cryogan import CryoGAN, CryoGANConfig, HalfConditions, HalfReconstruction
from frazil.methods.refine import HalfRefinement
from frazil.physics import FourierVolume, NoiseModel, form_images, white_noise
from frazil.recipes import cryogan

_real_batches = cryogan.real_batches


def real_batches(half_sets: HalfSets, method: CryoGAN) -> Callable:
    """As of the recipe; and the halves are told where their images are, which they need not know otherwise."""
    for number, half in enumerate(method.halves):
        half.images = partial(half_sets.images, number)
    return _real_batches(half_sets, method)


class SignalFromOne(HalfReconstruction):
    """The signal's scale begins at 1, whatever the images."""

    def begin(self) -> None:
        super().begin()
        with torch.no_grad():
            self.log_signal.zero_()


class SeveralNoises(HalfReconstruction):
    """Each projection, of which there are fewer, stands in several images that differ in their noise alone."""

    each = 4

    def simulate(
        self, spectrum: FourierVolume, count: int, rows: slice, generator: torch.Generator
    ) -> Float[Tensor, "batch box box"]:
        at, few = self.conditions, count // self.each
        pose = Pose(at.rotations.sample(few, generator), at.shifts.sample(few, generator))
        particle = torch.randint(at.particles, (few,), generator=generator, device=generator.device)
        clean = form_images(spectrum, pose, None if at.ctf is None else at.ctf[particle], self.pixel_size, margin=1)
        particle = particle.repeat_interleave(self.each)
        noise = at.noise.sample(particle, self.box, generator)
        scales = self._log_scales()
        images = scales.signal.exp() * clean.repeat_interleave(self.each, 0) + scales.noise.exp() * noise
        ctf = None if at.ctf is None else at.ctf[particle]
        return self.filtered(normalise_by_background(images, self._ring), ctf)[rows]


class Preconditioned(HalfReconstruction):
    """Adam's steps, alike for all voxels and so for all shells, are scaled by the shell to a power."""

    power = 0.5

    def _constrain(self, voxels: Float[Tensor, "box box box"], progress: float) -> Float[Tensor, "box box box"]:
        shell = shell_index(self.box, 3, device=voxels.device).clamp(min=1)
        middle = self.box / 6  # where a third of Nyquist's frequency is: steps there stay as they are
        scaled = inverse_fourier_transform(fourier_transform(voxels, 3) * (shell / middle) ** self.power, self.box, 3)
        return super()._constrain(scaled, progress)


class CoarseFirst(Preconditioned):
    """The same the other way round: a map's power falls with frequency, and so do the steps."""

    power = -0.5


class White(NoiseModel):
    """Noise that has the same power at all frequencies."""

    def sample(
        self, particle: Int[Tensor, " batch"], box: int, generator: torch.Generator
    ) -> Float[Tensor, "batch box box"]:
        return white_noise((len(particle), box, box), generator)

    def to(self, device: torch.device | str) -> NoiseModel:
        return self


class WhiteNoise(HalfReconstruction):
    """The noise's spectrum is not measured."""

    def __init__(self, config: CryoGANConfig, conditions: HalfConditions, support: tuple[float, float]) -> None:
        super().__init__(config, replace(conditions, noise=White()), support)


class BestOfThree(HalfReconstruction):
    """Three short starts; the one under which some of the half's images are likeliest, at whatever pose, goes on."""

    starts, share, judges = 3, 0.2, 100  # starts, each with this share of the steps; images that decide

    def __init__(self, config: CryoGANConfig, conditions: HalfConditions, support: tuple[float, float]) -> None:
        (steps,) = config.steps
        self._length = max(1, round(self.share * steps))
        left = max(1, steps - (self.starts - 1) * self._length)
        super().__init__(replace(config, steps=(left,)), conditions, support)

    def begin(self) -> None:
        self._waiting, self._tried = [], []
        for _ in range(self.starts):
            super().begin()
            self._waiting.append(copy.deepcopy(self.state_dict()))

    def update(
        self, real: Float[Tensor, "steps share box box"], context: StepContext, generator: torch.Generator
    ) -> dict[str, Tensor]:
        trial, within = divmod(context.step, self._length)
        if within == 0 and trial <= self.starts:
            self._next(trial)
        before = min(trial, self.starts - 1) * self._length  # rates fall from the start of each
        return super().update(real, replace(context, step=context.step - before), generator)

    def _next(self, trial: int) -> None:
        if trial:
            self._tried.append((self._log_likelihood(), trial, copy.deepcopy(self.state_dict())))
        self.load_state_dict(max(self._tried)[-1] if trial == self.starts else self._waiting[trial])

    def _log_likelihood(self) -> float:
        radius, reach = (length / self.pixel_size for length in (self._support, self._image_radius))
        images = ParticleImages(
            images=lambda rows: self.images(rows, self.box),
            ctf=self.conditions.ctf,
            count=self.conditions.particles,
            box=self.box,
            pixel_size=self.pixel_size,
        )
        half = HalfRefinement(images, self.volume(), radius)
        disc = FourierDisc.of(finest_shell(self.box, radius), like=self.volume())
        found = half.weigh(
            lambda slices: GridPosterior(slices, disc, reach - radius, scaled=False),
            half_turn_grid(COARSE_ORDER),
            disc,
            torch.arange(min(self.judges, images.count)),
        )
        return float(found.evidence)
