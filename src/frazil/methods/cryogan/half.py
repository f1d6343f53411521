"""One half of the data against its own critic (Gupta et al. 2021, algorithm 1)."""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from frazil.data import Support, background_ring, normalise_by_background
from frazil.geometry import fourier_crop, soft_sphere, symmetrise, symmetry_rotations
from frazil.methods.base import StepContext
from frazil.methods.cryogan.config import CryoGANConfig, rate_factor, waits
from frazil.methods.cryogan.simulator import HalfConditions, LogScales, draw_conditions, matching_scale, simulate_images
from frazil.methods.cryogan.stage_critic import BETAS, StageCritic
from frazil.methods.cryogan.views import last_shell, within_disc, without_nyquist
from frazil.methods.rates import set_rate
from frazil.methods.step_graph import StepGraph, for_recording, load_optimizer
from frazil.physics import CTF, FourierVolume, low_pass, phase_flip, to_fourier_volume

_BACKGROUND_COUNT = 256
_NOISE_PRIOR = 1.0  # per squared logarithm: the measured spectrum stands where the images do not speak against it
_QUICK = 10.0  # rate of what has a prior or a bound, against that of the signal, which the voxels' own rate depends on
_START, _START_DETAIL = 0.1, 2.0  # voxels of a random start; its details along the radius
_TYPICAL = 0.5  # voxels of a map: the signal's scale makes them as strong as the particle is, within reach of its rate
_FADE = 0.1  # of its radius; what the sphere does: room beyond the particle is soon filled with chance


class HalfReconstruction:
    """Volume, critics and their optimizers of one half; it knows of no other.

    `voxels`, the parameter, is the density times sqrt(box): a line of sight through voxels of size 1 and random sign
    adds up to about 1, the noise's standard deviation, at every box.
    """

    def __init__(self, config: CryoGANConfig, conditions: HalfConditions, support: Support) -> None:
        self.config, self.conditions = config, conditions
        self._support = support
        self._symmetry = symmetry_rotations(config.symmetry)
        self.device = torch.device("cpu")
        self._build(config.boxes[0])

    # --- what there is at one box ---------------------------------------------------------------------------------

    def _build(self, box: int) -> None:
        config, self.box = self.config, box
        self.pixel_size = self.conditions.field / box
        self.voxels = nn.Parameter(torch.zeros(box, box, box, device=self.device))
        self.log_signal = nn.Parameter(torch.zeros((), device=self.device))
        shells = box // 2 if config.conditions == "learnt" else 1
        self.log_noise = nn.Parameter(torch.zeros(shells, device=self.device))
        self.log_shift = nn.Parameter(torch.zeros((), device=self.device))
        self.average = torch.zeros_like(self.voxels)
        self.critics = [self._new_critic()]
        groups: list[dict[str, Any]] = [{"params": [self.voxels], "weight_decay": config.shrinkage}]
        groups += [{"params": [scale]} for scale in (self.log_signal, self.log_noise, self.log_shift)]
        self.volume_optimizer = torch.optim.AdamW(groups, betas=BETAS, weight_decay=0.0)
        for_recording(self.volume_optimizer, self.device)
        self._graph: StepGraph | None = None
        radius = self._support.radius / self.pixel_size
        self.sphere = soft_sphere(box, radius, min(_FADE * radius, box / 2 - radius), device=self.device)

    def _new_critic(self) -> StageCritic:
        return StageCritic(self.config, self.box, self.pixel_size, self._support).to(self.device)

    @property
    def _ring(self) -> Bool[Tensor, "box box"]:
        """What lies beside the particle at this box."""
        return self.critics[-1].ring

    def begin(self) -> None:
        """Start from nothing or nearly so; the new critic and faint density are drawn from the global generator."""
        self._build(self.box)
        if self.config.start == "random":
            density = low_pass(torch.randn(self.voxels.shape), self.pixel_size, self._support.radius / _START_DETAIL)
            density = symmetrise(density.to(self.device), self._symmetry)
            density /= density.std()
            typical = to_fourier_volume(self._constrain(_TYPICAL * density, 0.0))
            with torch.no_grad():
                self.log_signal.copy_(matching_scale(typical, self.conditions, ~self._ring).log())
                self.voxels.copy_(_START * density)
                self.average.copy_(self.voxels)

    def enter_stage(self, box: int, generator: torch.Generator) -> None:
        """Go on at a larger box: same density, same contrast against the noise, one critic more."""
        old, voxels, average, critics = self.box, self.voxels.detach(), self.average, self.critics
        # Images have unit background at every box; cropping it back says how the contrast changed. Simulated
        # background, because that is the same on every rank, while each has other real images.
        shape = (_BACKGROUND_COUNT,)
        particle = torch.randint(self.conditions.particles, shape, generator=generator, device=generator.device)
        background = self.conditions.noise.sample(particle, box, generator)
        contrast = float(fourier_crop(background, old).std() / background.std())
        scale = contrast * (old / box) ** 0.5
        log_signal, log_noise, log_shift = self.log_signal.detach(), self.log_noise.detach(), self.log_shift.detach()
        self._build(box)
        with torch.no_grad():
            self.voxels.copy_(scale * fourier_crop(voxels, box, 3))
            self.average.copy_(scale * fourier_crop(average, box, 3))
            self.log_signal.copy_(log_signal)
            self.log_shift.copy_(log_shift)
            # The field stays, so shells keep their frequencies and finer ones come behind.
            self.log_noise.copy_(log_noise[-1])
            self.log_noise[: len(log_noise)] = log_noise
        self.critics[-1].take_over(critics[-1])
        self.critics = [*critics, *self.critics]

    # --- the volume -------------------------------------------------------------------------------------------------

    def _constrain(self, voxels: Float[Tensor, "box box box"], progress: float) -> Float[Tensor, "box box box"]:
        """Symmetric density inside the soft sphere, and no more negative than allowed at this point of the run."""
        volume = symmetrise(voxels * self.sphere, self._symmetry) * self.box**-0.5
        if self.config.negativity == "relaxed":
            volume = torch.maximum(volume, -0.01 * progress * volume.detach().amax())
        return volume

    @torch.no_grad()
    def volume(self) -> Float[Tensor, "box box box"]:
        """The reconstruction: the running average of the iterates."""
        volume = self._constrain(self.average if self.config.averaging > 0 else self.voxels, 1.0)
        return within_disc(volume, 3) if "disc" in self.config.views else volume

    @property
    def finest(self) -> float:
        """The finest detail in angstrom that the volume can hold at this box."""
        return self.conditions.field / (last_shell(self.box) if "disc" in self.config.views else self.box // 2)

    def simulate(
        self, spectrum: FourierVolume, count: int, rows: slice, generator: torch.Generator
    ) -> Float[Tensor, "batch box box"]:
        """The rows `rows` of `count` images under conditions like the particles', and treated as theirs are."""
        draw = draw_conditions(self.conditions, count, self.box, rows, generator)
        images = simulate_images(spectrum, draw, self.pixel_size, self._log_scales())
        return self.filtered(normalise_by_background(images, self._ring), draw.ctf)

    def filtered(self, images: Float[Tensor, "batch box box"], ctf: CTF | None) -> Float[Tensor, "batch box box"]:
        """Images, real or simulated, with the lens's signs put right and the corners of the spectrum left out."""
        box = images.shape[-1]  # real images come at the box of a stage before the volume has entered it
        pixel_size, disc = self.conditions.field / box, "disc" in self.config.views
        if not disc:
            ring = background_ring(box, pixel_size, self._support.radius).to(images.device)
            images = normalise_by_background(without_nyquist(images), ring)
        if "phase-flip" in self.config.views:
            images = phase_flip(images, ctf, pixel_size)
        return within_disc(images) if disc else images

    def _log_scales(self) -> LogScales:
        # Normalising takes the mean away: nothing could be learnt of shell 0, which goes with its neighbour.
        first = self.log_noise[:1] if self.config.conditions == "learnt" else self.log_noise[:0]
        return LogScales(self.log_signal, torch.cat([first, self.log_noise]), self.log_shift)

    # --- learning ---------------------------------------------------------------------------------------------------

    def update(
        self, real: Float[Tensor, "steps share box box"], context: StepContext, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Critic steps on fresh batches, then one step of the volume; on a GPU launched as one where that can be."""
        self._set_rates(context.step)
        if not self._same_each_step(context):
            return self._learn(real, context, generator)
        if self._graph is None:
            self._graph = StepGraph(lambda images, chance: self._learn(images, context, chance), self.device)
        return self._graph(real, generator)

    def _same_each_step(self, context: StepContext) -> bool:
        """Whether a GPU can repeat a step: no ranks to wait for, no neighbours to count, no numbers that change."""
        alone = context.world_size == 1 and self.conditions.neighbours is None
        fixed = self.config.negativity == "free" and self.config.smoothing == 0
        return self.device.type == "cuda" and alone and fixed

    def _learn(
        self, real: Float[Tensor, "steps share box box"], context: StepContext, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Critic steps, then the volume's, whose spectrum is computed once for all of them."""
        spectrum = to_fourier_volume(self._constrain(self.voxels, self._progress(context.step)))
        for stage in self.critics:
            stage.critic.requires_grad_(True)
        for images in real:
            fake = self._simulate(spectrum.detach(), context, generator).detach()
            # The coarsest critic's figures are told, which mean the same in every stage.
            scalars, *_ = [stage.learn(images, fake, context, generator) for stage in self.critics]
        for stage in self.critics:
            stage.critic.requires_grad_(False)
        fake = self._simulate(spectrum, context, generator)
        pairs = zip([None, *self.critics], self.critics, strict=False)
        losses = [stage.volume_loss(fake, coarser, context) for coarser, stage in pairs]
        loss = torch.stack(losses).sum()
        if self.config.conditions == "learnt":
            loss = loss + _NOISE_PRIOR * self.log_noise.square().sum()
        context.descend(self.volume_optimizer, loss)
        with torch.no_grad():  # the circle that the critic looks through has no room for more than was asked for
            self.log_shift.clamp_(max=0)
        self.average.lerp_(self.voxels.detach(), 1 - self.config.averaging)
        scales = {name: value.detach().mean().exp() for name, value in vars(self._log_scales()).items()}
        return {**scalars, **scales}

    def _simulate(self, spectrum: FourierVolume, context: StepContext, generator: torch.Generator) -> Tensor:
        return self.simulate(spectrum, self._joined(context), context.share(self._joined(context)), generator)

    def _joined(self, context: StepContext) -> int:
        return self.config.stage(context.step).batch_size

    def _progress(self, step: int) -> float:
        return step / sum(self.config.steps)

    def _set_rates(self, step: int) -> None:
        config, factor = self.config, rate_factor(self.config, step)
        noise, shift = (_QUICK, _QUICK) if config.conditions == "learnt" else (1.0, 0.0)
        rates = config.volume_rate, *(quick * config.scale_rate for quick in (1.0, noise, shift))
        for group, rate in zip(self.volume_optimizer.param_groups, rates, strict=True):
            set_rate(group, 0.0 if waits(config, step) else factor * rate)
        for stage in self.critics:
            stage.set_rate(step)

    # --- storing ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All that the next update depends on."""
        return {
            "box": self.box,
            "voxels": self.voxels.detach(),
            "log_signal": self.log_signal.detach(),
            "log_noise": self.log_noise.detach(),
            "log_shift": self.log_shift.detach(),
            "average": self.average,
            "volume_optimizer": self.volume_optimizer.state_dict(),
            "critics": [stage.state_dict() for stage in self.critics],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave, at whatever box it was."""
        self._build(state["box"])
        with torch.no_grad():
            for name in ("voxels", "log_signal", "log_noise", "log_shift", "average"):
                getattr(self, name).copy_(state[name])
        load_optimizer(self.volume_optimizer, state["volume_optimizer"], self.device)
        boxes = self.config.boxes[: len(state["critics"])]
        field = self.conditions.field
        self.critics = [StageCritic(self.config, box, field / box, self._support).to(self.device) for box in boxes]
        for stage, stored in zip(self.critics, state["critics"], strict=True):
            stage.load_state_dict(stored)

    def to(self, device: torch.device) -> None:
        """Move parameters, optimizer state and conditions to the device."""
        state = self.state_dict()
        self.device = device
        self._symmetry = self._symmetry.to(device)
        ctf = None if self.conditions.ctf is None else self.conditions.ctf.to(device)
        near = None if self.conditions.neighbours is None else self.conditions.neighbours.to(device)
        noise = self.conditions.noise.to(device)
        self.conditions = replace(self.conditions, ctf=ctf, noise=noise, neighbours=near)
        self.load_state_dict(state)
