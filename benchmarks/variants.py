"""Choices that CryoGAN's recipe does not have, because they gained nothing: here to be measured again."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from frazil.data import HalfSets, Support, normalise_by_background
from frazil.geometry import (
    Pose,
    fourier_transform,
    frequency_grid,
    half_turn_grid,
    inverse_fourier_transform,
    shell_index,
)
from frazil.inference import COARSE_ORDER, FourierDisc, GridPosterior, ParticleImages, finest_shell
from frazil.losses import zero_centred_penalty
from frazil.methods import StepContext
from frazil.methods.cryogan import CryoGAN, CryoGANConfig, HalfConditions, HalfReconstruction
from frazil.methods.cryogan.stage_critic import BETAS, StageCritic
from frazil.methods.cryogan.views import within_disc
from frazil.methods.refine import HalfRefinement
from frazil.nets import ConvCritic
from frazil.physics import CTF, FourierVolume, NoiseModel, evaluate_ctf, form_images, white_noise
from frazil.recipes import cryogan
from frazil.report.run_story import RunStory

_real_batches = cryogan.real_batches


def real_batches(half_sets: HalfSets, method: CryoGAN) -> Callable:
    """As of the recipe; and the halves are told where their images are, which they need not know otherwise."""
    for number, half in enumerate(method.halves):
        half.images = partial(half_sets.images, number)
    return _real_batches(half_sets, method)


def run_story(real: Tensor, simulated: Tensor, **rest: Any) -> RunStory:
    """Of images that stand beside their lens (`ToldTheLens`), the images alone."""
    return RunStory(real=real.real, simulated=simulated.real, **rest)


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


class NewestCritic(HalfReconstruction):
    """At each stage the critic of that stage alone, which moves all of the volume's detail."""

    def enter_stage(self, box: int, generator: torch.Generator) -> None:
        super().enter_stage(box, generator)
        self.critics = self.critics[-1:]


class TimesTheLens(HalfReconstruction):
    """Images, real and simulated alike, are multiplied by their CTF, and not only by its sign."""

    def filtered(self, images: Float[Tensor, "batch box box"], ctf: CTF | None) -> Float[Tensor, "batch box box"]:
        box = images.shape[-1]
        if ctf is not None:
            transfer = evaluate_ctf(ctf, frequency_grid(box, self.conditions.field / box, device=images.device))
            images = 2**0.5 * inverse_fourier_transform(fourier_transform(images) * transfer, box)
        return within_disc(images)


class WhiteNoise(HalfReconstruction):
    """The noise's spectrum is not measured."""

    def __init__(self, config: CryoGANConfig, conditions: HalfConditions, support: Support) -> None:
        super().__init__(config, replace(conditions, noise=White()), support)


class LensCritic(ConvCritic):
    """Takes images of two channels: an image and its lens, as real and imaginary part."""

    def __init__(self, box: int, width: int, blocks: int) -> None:
        super().__init__(box, width, blocks)
        self.features[0] = nn.Conv2d(2, width, 3, padding=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Complex[Tensor, "batch box box"]) -> Float[Tensor, " batch"]:
        return self.score(torch.flatten(self.features(torch.view_as_real(images).movedim(-1, 1)), 1))[:, 0]


class LensStage(StageCritic):
    """The same for such images."""

    def __init__(self, config: CryoGANConfig, box: int, pixel_size: float, support: Support) -> None:
        super().__init__(config, box, pixel_size, support)
        self.critic = LensCritic(len(self.image_mask), config.critic_width, len(self.critic.features) // 3)
        self._optimizer = torch.optim.Adam(self.critic.parameters(), betas=BETAS)
        self._adversary = replace(self._adversary, penalty=self._penalty)

    @staticmethod
    def _penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, weight: Tensor) -> Tensor:
        both = torch.cat([real, fake])
        return 2 * zero_centred_penalty(lambda images: critic(torch.complex(images, both.imag)), both.real)


class ToldTheLens(HalfReconstruction):
    """The critic sees each image's point spread function beside the image."""

    def _new_critic(self) -> StageCritic:
        return LensStage(self.config, self.box, self.pixel_size, self._support).to(self.device)

    def filtered(self, images: Float[Tensor, "batch box box"], ctf: CTF | None) -> Complex[Tensor, "batch box box"]:
        box = images.shape[-1]
        lens = torch.zeros_like(images)
        lens[:, box // 2, box // 2] = box
        if ctf is not None:
            transfer = evaluate_ctf(ctf, frequency_grid(box, self.conditions.field / box, device=images.device))
            lens = inverse_fourier_transform(fourier_transform(lens) * transfer, box)
        return torch.complex(super().filtered(images, ctf), super().filtered(lens, ctf))


class BestOfThree(HalfReconstruction):
    """Three short starts; the one under which some of the half's images are likeliest, at whatever pose, goes on."""

    starts, share, deciding = 3, 0.2, 100  # starts, each with this share of the steps; images that decide

    def __init__(self, config: CryoGANConfig, conditions: HalfConditions, support: Support) -> None:
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
        radius, max_shift = (length / self.pixel_size for length in (self._support.radius, self._support.max_shift))
        images = ParticleImages(
            images=lambda rows: self.images(rows, self.box),
            ctf=self.conditions.ctf,
            count=self.conditions.particles,
            box=self.box,
            pixel_size=self.pixel_size,
        )
        half = HalfRefinement(images, self.volume(), radius)
        disc = FourierDisc.of(finest_shell(self.box, radius, COARSE_ORDER), like=self.volume())
        found = half.weigh(
            lambda slices: GridPosterior(slices, disc, max_shift, scaled=False),
            half_turn_grid(COARSE_ORDER),
            disc,
            torch.arange(min(self.deciding, images.count)),
        )
        return float(found.evidence)
