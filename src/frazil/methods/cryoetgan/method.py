"""CryoETGAN: simulated subtomograms, or bare densities, to ones that look real (Wu et al. 2022)."""

from itertools import chain
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from frazil.data.unpaired import UnpairedVolumes
from frazil.geometry import (
    fourier_transform,
    frequency_grid,
    half_turned,
    half_turns,
    inverse_fourier_transform,
    tiles,
)
from frazil.losses import PATCH_ADVERSARIES, gradient_penalty_one_axis
from frazil.methods.base import Method, StepContext, stable_seed
from frazil.methods.cryoetgan.config import CryoETGANConfig, check_pool
from frazil.methods.rates import from_halfway, set_rate
from frazil.nets.published_volume_translator import PublishedVolumeCritic, PublishedVolumeTranslator
from frazil.nets.volume_translator import VolumeCritic, VolumeTranslator
from frazil.physics.missing_wedge import missing_wedge_of_field

_PENALTY = 10.0  # weight of the released gradient penalty, of real volumes alone
_OPTIMIZERS = {
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate, betas=(0.5, 0.999)),
    "rmsprop": lambda parameters, rate: torch.optim.RMSprop(parameters, lr=rate),
}
_TILE = 128  # voxels a side of the parts of a tomogram that are translated at once
_EMPTY = 1e-8  # of the mean power: what is left of nothing by rounding is far less
_COARSE = 0.15  # cycles per voxel, to which a Gaussian lets through what must stay: finer detail is mostly noise


def check_box(box: int, config: CryoETGANConfig) -> None:
    """ValueError for a box that the networks do not take."""
    if box % 4 or box < 24:
        raise ValueError(f"the networks take boxes of 24 voxels or more, a multiple of 4, not {box}")
    if config.turns and config.networks != "residual" and box - 2 * _margin(box) < 24:
        raise ValueError(f"parts of boxes of {box} voxels are too small for the paper's critic: give --no-turns")


def _margin(box: int) -> int:
    """Voxels at each face that parts lack; the last is kept for what a half turn of an even box moves."""
    return box // 8


class CryoETGAN(Method):
    """A translator and its critic, and what holds molecules where they are."""

    def __init__(
        self, config: CryoETGANConfig, seen: Bool[Tensor, "box box half"], seed: int, structures: int = 1
    ) -> None:
        self.config = config
        box = seen.shape[0]
        check_box(box, config)
        self._seen = seen
        with torch.random.fork_rng():
            torch.manual_seed(stable_seed(seed, "cryoetgan"))
            self._translator = self._new_translator(structures if config.conditional else 0)
            self._nets: dict[str, nn.Module] = {"translator": self._translator, "critic": self._new_critic()}
            if config.keep == "cycle":
                self._nets |= {"back": self._new_translator(), "back_critic": self._new_critic()}
        for net in self._nets.values():
            net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # two thirds of the time
        self.average = AveragedModel(self._translator, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay))
        make = _OPTIMIZERS[config.optimizer]
        translators, critics = (
            list(
                chain.from_iterable(net.parameters() for name, net in self._nets.items() if ("critic" in name) == kind)
            )
            for kind in (False, True)
        )
        self._optimizers = {"translators": make(translators, config.rate), "critics": make(critics, config.rate)}
        self._adversary = PATCH_ADVERSARIES[config.adversary]
        self._pool = torch.empty(0, box, box, box)
        self.device = torch.device("cpu")

    def _new_translator(self, classes: int = 0) -> VolumeTranslator | PublishedVolumeTranslator:
        if self.config.networks == "residual":
            return VolumeTranslator(self.config.width, classes=classes)
        return PublishedVolumeTranslator(squashed=self.config.networks == "released")

    def _new_critic(self) -> VolumeCritic | PublishedVolumeCritic:
        spectral = self.config.critic_norm == "spectral"
        if self.config.networks == "residual":
            return VolumeCritic(self.config.critic_width, spectral=spectral)
        return PublishedVolumeCritic(spectral, normalised=self.config.networks == "released")

    # --- learning ---------------------------------------------------------------------------------------------------

    def update(self, batch: UnpairedVolumes, context: StepContext) -> dict[str, Tensor | float]:
        """One step of the critics, then one of the translators."""
        check_pool(self.config, context.world_size)
        rate = self.config.rate * from_halfway(context.step / self.config.steps)
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                set_rate(group, rate)
        fake = self._translated("translator", batch.simulated, context, batch.label)
        back = self._translated("back", batch.real, context) if "back" in self._nets else None
        critic_loss = self._judged("critic", batch.real, self._pooled(fake.detach(), context), context)
        if back is not None:
            critic_loss = critic_loss + self._judged("back_critic", batch.simulated, back.detach(), context)
        context.descend(self._optimizers["critics"], critic_loss)
        realism = self._realism("critic", fake, context)
        if back is None:
            kept = self._content(batch.simulated, fake)
        else:
            realism = realism + self._realism("back_critic", back, context)
            kept = self._cycle(batch, fake, back, context)
        context.descend(self._optimizers["translators"], realism + self.config.keep_weight * kept)
        self.average.update_parameters(self._translator)
        changed = (fake - batch.simulated).abs().mean()
        told = {"kept": kept, "realism": realism, "critic_loss": critic_loss, "changed": changed}
        return {name: value.detach() for name, value in told.items()}

    def _translated(
        self,
        name: str,
        volumes: Float[Tensor, "batch box box box"],
        context: StepContext,
        label: Int[Tensor, " batch"] | None = None,
    ) -> Tensor:
        size = self.config.batch_size
        noise = self._translator.noise(volumes.new_empty(size, *volumes.shape[1:]), context.generator("noise", name))
        with context.autocast():
            made = self._nets[name](volumes, noise[context.share(size)], *self._told(label))
        return self._finished(volumes, made.float())

    def _told(self, label: Int[Tensor, " batch"] | None) -> tuple[Tensor, ...]:
        """What a translator is told of some volumes besides how they look."""
        return () if label is None or not self.config.conditional else (label.to(self.device),)

    def _finished(
        self, volumes: Float[Tensor, "batch box box box"], made: Float[Tensor, "batch box box box"]
    ) -> Float[Tensor, "batch box box box"]:
        """What came of some volumes, of mean 0 and deviation 1 as all that are read.

        Nothing is new in the wedge of what has one already; a bare density's is the translator's to empty.
        """
        if self.config.networks == "residual" and self.config.start == "physics":
            added = fourier_transform(made - volumes, 3) * self._seen_in(volumes)
            made = volumes + inverse_fourier_transform(added, volumes.shape[-1], 3)
        mean, spread = (getattr(made, name)((1, 2, 3), keepdim=True) for name in ("mean", "std"))
        return (made - mean) / spread.clamp(min=1e-6)

    def _judged(self, critic: str, real: Tensor, fake: Tensor, context: StepContext) -> Float[Tensor, ""]:
        real, fake = (self._shown(critic, some, name, context) for name, some in {"real": real, "fake": fake}.items())
        with context.autocast():
            real_score, fake_score = self._nets[critic](real), self._nets[critic](fake)
        loss = self._adversary.critic_loss(real_score.float(), fake_score.float())
        if self.config.critic_norm != "penalty":
            return loss
        return loss + _PENALTY * gradient_penalty_one_axis(self._nets[critic], real)

    def _shown(
        self, critic: str, volumes: Float[Tensor, "batch box box box"], kind: str, context: StepContext
    ) -> Float[Tensor, "batch _part _part _part"]:
        """Parts of volumes from anywhere in them, half turned, if wanted: few real ones are not learnt by heart."""
        if not self.config.turns:
            return volumes
        margin, size = _margin(volumes.shape[-1]), self.config.batch_size
        turns = half_turns(size, margin - 1, context.generator("turns", f"{critic} {kind}", device="cpu"))
        inner = slice(margin, -margin)
        return half_turned(volumes, turns[context.share(size)])[:, inner, inner, inner]

    def _realism(self, critic: str, fake: Tensor, context: StepContext) -> Float[Tensor, ""]:
        self._nets[critic].requires_grad_(False)
        fake = self._shown(critic, fake, "made", context)
        with context.autocast():
            score = self._nets[critic](fake)
        self._nets[critic].requires_grad_(True)
        return self._adversary.generator_loss(score.float())

    def _content(self, before: Tensor, after: Tensor) -> Float[Tensor, ""]:
        """Mean change of coarse detail outside the wedge, in units of what white noise has of it."""
        box = before.shape[-1]
        frequency = frequency_grid(box, 1.0, 3, device=before.device).norm(dim=-1)
        coarse = torch.exp(-((frequency / _COARSE) ** 2)) * self._seen_in(before)
        changed = inverse_fourier_transform(fourier_transform(after - before, 3) * coarse, box, 3)
        return changed.abs().mean() / coarse.square().mean().sqrt()

    def _seen_in(self, volumes: Float[Tensor, "batch box box box"]) -> Bool[Tensor, "#batch box box half"]:
        """What the images of simulated volumes have seen: each one's own wedge is empty, whatever its pretilt.

        A bare density is empty nowhere, and a back-projection beyond Nyquist's frequency everywhere.
        """
        seen = self._seen.to(volumes.device)
        if self.config.start == "density":
            return seen[None]
        power = fourier_transform(volumes, 3).abs().square()
        inside = frequency_grid(volumes.shape[-1], 1.0, 3, device=volumes.device).norm(dim=-1) < 0.5
        return torch.where(inside, power > _EMPTY * power.mean((1, 2, 3), keepdim=True), seen)

    def _cycle(self, batch: UnpairedVolumes, fake: Tensor, back: Tensor, context: StepContext) -> Float[Tensor, ""]:
        """Mean distance of volumes that went there and back from what they were."""
        again = self._translated("back", fake, context)
        forth = self._translated("translator", back, context)
        return (again - batch.simulated).abs().mean() + (forth - batch.real).abs().mean()

    def _pooled(
        self, fake: Float[Tensor, "batch box box box"], context: StepContext
    ) -> Float[Tensor, "batch box box box"]:
        """Generated volumes, half of them changed for ones of earlier steps (Shrivastava et al. 2017)."""
        if not self.config.pool:
            return fake
        generator, shown = context.generator("pool", device="cpu"), fake.clone()
        for place in range(len(fake)):
            if len(self._pool) < self.config.pool:
                self._pool = torch.cat([self._pool, fake[place : place + 1]])
            elif bool(torch.rand((), generator=generator) < 0.5):
                chosen = int(torch.randint(len(self._pool), (), generator=generator))
                shown[place] = self._pool[chosen]
                self._pool[chosen] = fake[place]
        return shown

    # --- generating -------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def translate(
        self,
        volumes: Float[Tensor, "count box box box"],
        label: Int[Tensor, " count"],
        noise: Float[Tensor, "count ..."],
    ) -> Float[Tensor, "count box box box"]:
        """Volumes as real ones would look, by the average of the weights; `label`: places among the models."""
        given = volumes.to(self.device)
        return self._finished(given, self.average(given, noise.to(self.device), *self._told(label))).cpu()

    def noise_for(
        self, volumes: Float[Tensor, "count box box box"], generator: torch.Generator
    ) -> Float[Tensor, "count ..."]:
        """Noise of the translator's own, as `translate` takes it."""
        return self._translator.noise(volumes, generator)

    def check_tomograms(self) -> None:
        """ValueError where it has learnt in a way that makes no tomograms."""
        if self.config.networks != "residual":
            raise ValueError("the paper's networks see whole volumes of one size, and make no tomograms")
        if self.config.conditional:
            raise ValueError("learnt with --conditional, it makes volumes of one class each, and no tomograms")

    @torch.no_grad()
    def translate_tomogram(
        self, tomogram: Float[Tensor, "z y x"], rotation: Float[Tensor, "tilts 3 3"], generator: torch.Generator
    ) -> Float[Tensor, "z y x"]:
        """A whole tomogram of any size as a real one would look, its mean 0 and its deviation 1.

        In tiles that overlap by all that a voxel depends on, with one field of noise: the same, to rounding, as at
        once. What the translator adds is taken out of the wedge that the series' `rotation` leaves.
        """
        net = self.average.module
        assert isinstance(net, VolumeTranslator)
        standard = (tomogram - tomogram.mean()) / tomogram.std()
        noise = torch.randn(standard.shape, generator=generator)
        made = torch.empty_like(standard)
        for tile in tiles(standard.shape, _TILE, net.reach, multiple=4):
            both = (part[tile.seen][None].to(self.device) for part in (standard, noise))
            made[tile.core] = self.average(*both)[0].cpu()[tile.inner]
        shape = standard.shape
        seen_by_images = ~missing_wedge_of_field(rotation, (shape[0], shape[1], shape[2]))
        added = torch.fft.irfftn(torch.fft.rfftn(made - standard) * seen_by_images, s=shape)
        made = standard + added
        return (made - made.mean()) / made.std()

    # --- storing ----------------------------------------------------------------------------------------------------

    def figures(self, context: StepContext) -> dict[str, float]:
        return {}

    def stage(self, step: int) -> str:
        return ""

    def state_dict(self) -> dict[str, Any]:
        modules = {name: net.state_dict() for name, net in {**self._nets, "average": self.average}.items()}
        optimizers = {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()}
        return {"nets": modules, "optimizers": optimizers, "pool": self._pool}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, net in {**self._nets, "average": self.average}.items():
            net.load_state_dict(state["nets"][name])
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self._pool = state["pool"].to(self.device)

    def to(self, device: torch.device) -> None:
        self.device = device
        for net in (*self._nets.values(), self.average):
            net.to(device)
        for optimizer in self._optimizers.values():
            optimizer.load_state_dict(optimizer.state_dict())  # which follows the parameters
        self._pool = self._pool.to(device)
