"""CryoGEM: simulated micrographs to ones that look real, their particles where they were (Zhang et al. 2024)."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from frazil.data.unpaired import UnpairedCrops
from frazil.geometry import tiles
from frazil.losses import PATCH_ADVERSARIES
from frazil.losses.contrastive import all_others, of_the_other_kind, place_contrast
from frazil.methods.base import Method, StepContext, stable_seed
from frazil.methods.rates import from_halfway, set_rate
from frazil.nets.published_translator import PublishedPatchCritic, PublishedTranslator
from frazil.nets.translator import PatchCritic, PlaceProjector, Translator
from frazil.physics import CTFRanges

Against = Callable[[Bool[Tensor, "batch places"]], Bool[Tensor, "batch places places"]]
Negatives = Literal["mask", "all"]
_ADVERSARY = PATCH_ADVERSARIES["least-squares"]
_TILE = 512  # px a side of the parts that are translated at once
_AGAINST: dict[str, Against] = {"mask": of_the_other_kind, "all": all_others}
_NETWORKS: dict[str, tuple[type[Translator | PublishedTranslator], type[PatchCritic | PublishedPatchCritic]]] = {
    "local": (Translator, PatchCritic),
    "published": (PublishedTranslator, PublishedPatchCritic),
}


@dataclass(frozen=True)
class CryoGEMConfig:
    """How the translator learns."""

    steps: int = 3000
    """Updates."""
    batch_size: int = 1
    """Crops of each kind in an update."""
    crop: int = 256
    """Side of the crops in pixels."""
    rate: float = 2e-4
    """Adam's learning rate; from halfway on it falls to 0, evenly."""
    negatives: Negatives = "mask"
    """mask: as many places of particles as of background, each told from those of the other kind (the paper's). all:
    places by chance, each told from all others (CUT, Park et al. 2020), which knows no mask."""
    contrast_weight: float = 10.0
    """Of what is at a place in the input being there in the output, beside looking real."""
    places: int = 256
    """Places of each kind, of particles and of background."""
    networks: Literal["local", "published"] = "local"
    """local: without normalisation, so that a place depends on its surroundings alone and fields may have any size.
    published: the paper's, which see whole images of one size."""
    features: int = 128
    """Numbers by which places are compared."""
    width: int = 16
    """Channels of the translator's first level."""
    depth: int = 3
    """Halvings of its input."""
    critic_width: int = 32
    """Channels of the critic's first level."""
    ema_decay: float = 0.998
    """Of the average of the translator's weights at each step; the average is what generates."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "places", "features", "width", "depth", "critic_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        least = max(32, 2 * 2**self.depth if self.networks == "local" else 0)  # which mirrors what it halved
        if self.crop % 2**self.depth or self.crop < least:
            raise ValueError(
                f"crop must be a multiple of {2**self.depth} (2 to the power of depth) and {least} or more, not"
                f" {self.crop}"
            )
        if self.places > self.crop**2:
            raise ValueError(f"a crop of {self.crop} px has fewer places than {self.places}")
        if not self.rate > 0 or not 0 <= self.ema_decay < 1 or self.contrast_weight < 0:
            raise ValueError(
                f"rate must be positive, ema_decay lie in 0 ... 1 and contrast_weight not be negative: {self.rate:g},"
                f" {self.ema_decay:g}, {self.contrast_weight:g}"
            )


PUBLISHED = CryoGEMConfig(
    steps=10_000,
    crop=1024,
    rate=1e-4,
    networks="published",
    features=256,
    width=64,
    depth=10,
    critic_width=128,
    ema_decay=0.0,
)
"""The released CryoGEM's: an epoch is 100 micrographs, one in a step, whole."""
PUBLISHED_LENS = CTFRanges(defocus=(15_000.0, 20_000.0), astigmatism=(100.0, 500.0), amplitude_contrast=0.1)
"""The paper's lenses, at 300 kV and Cs 2.7 mm."""


class CryoGEM(Method):
    """A translator, a critic of patches, and heads that compare places in input and output."""

    def __init__(self, config: CryoGEMConfig, seed: int) -> None:
        self.config = config
        with torch.random.fork_rng():
            torch.manual_seed(stable_seed(seed, "cryogem"))
            translator, critic = _NETWORKS[config.networks]
            self.translator = translator(config.width, config.depth)
            self.critic = critic(config.critic_width)
            self.projector = PlaceProjector(self.translator.widths, self.translator.strides, config.features)
        self.average = AveragedModel(self.translator, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay))
        painted = chain(self.translator.parameters(), self.projector.parameters())
        self._generator_optimizer = torch.optim.Adam(painted, lr=config.rate, betas=(0.5, 0.999))
        self._critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=config.rate, betas=(0.5, 0.999))

    def update(self, batch: UnpairedCrops, context: StepContext) -> dict[str, Tensor | float]:
        """One step of the critic, then one of the translator."""
        rate = self.config.rate * from_halfway(context.step / self.config.steps)
        for optimizer in (self._generator_optimizer, self._critic_optimizer):
            for group in optimizer.param_groups:
                set_rate(group, rate)
        noise = self._noise(batch.simulated, context)
        with context.autocast():
            levels = self.translator.features(batch.simulated, noise)
            fake = self.translator.paint(batch.simulated, levels)
            real_score, fake_score = self.critic(batch.real), self.critic(fake.detach())
        critic_loss = _ADVERSARY.critic_loss(real_score.float(), fake_score.float())
        context.descend(self._critic_optimizer, critic_loss)
        with context.autocast():
            self.critic.requires_grad_(False)
            realism = _ADVERSARY.generator_loss(self.critic(fake).float())
            self.critic.requires_grad_(True)
            contrast = self._contrast(levels, self.translator.features(fake, noise), batch.mask, context)
        loss = realism + self.config.contrast_weight * contrast
        context.descend(self._generator_optimizer, loss)
        self.average.update_parameters(self.translator)
        changed = (fake - batch.simulated).detach().abs().mean()
        told = {"contrast": contrast, "realism": realism, "critic_loss": critic_loss, "changed": changed}
        return {name: value.detach() for name, value in told.items()}

    def _noise(self, images: Float[Tensor, "batch y x"], context: StepContext) -> Float[Tensor, "batch y x"]:
        size = self.config.batch_size
        shape = (size, *images.shape[1:])
        return torch.randn(shape, generator=context.generator("noise"), device=context.device)[context.share(size)]

    def _contrast(
        self,
        before: list[Float[Tensor, "batch _width _y _x"]],
        after: list[Float[Tensor, "batch _width _y _x"]],
        mask: Bool[Tensor, "batch y x"],
        context: StepContext,
    ) -> Float[Tensor, ""]:
        """How badly places of the output are told from other places of the input, over all levels."""
        places = self._places(mask, context)
        particle = mask.flatten(1).gather(1, (places[..., 1] * mask.shape[-1] + places[..., 0]).long())
        against = _AGAINST[self.config.negatives](particle)
        losses = []
        for stride, query, key in zip(
            self.projector.strides, self.projector(after, places), self.projector(before, places), strict=True
        ):
            # Places that a coarse level takes for one have one key, and no say against each other.
            cell = (places / stride).long()
            apart = (cell[:, :, None] != cell[:, None]).any(-1)
            losses.append(place_contrast(query, key, against & apart))
        return torch.stack(losses).mean()

    def _places(self, mask: Bool[Tensor, "batch y x"], context: StepContext) -> Float[Tensor, "batch places xy"]:
        """As many places on particles as beside them, by chance, or anywhere where the mask is not to be known; of a
        kind that a crop lacks, others in their stead."""
        size, count = self.config.batch_size, self.config.places
        generator = context.generator("places")
        chance = torch.rand(size, mask[0].numel(), generator=generator, device=context.device)[context.share(size)]
        if self.config.negatives == "all":
            index = chance.topk(min(2 * count, chance.shape[1]), 1).indices
        else:
            # The highest of as many random numbers, those of one kind raised above all others.
            flat = mask.flatten(1)
            chosen = [(chance + kind).topk(count, 1).indices for kind in (flat.float(), (~flat).float())]
            index = torch.cat(chosen, 1)
        return torch.stack([index % mask.shape[-1], index // mask.shape[-1]], -1).float()

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.translator.parameters()).device

    @torch.no_grad()
    def translate_field(self, field: Float[Tensor, "y x"], generator: torch.Generator) -> Float[Tensor, "y x"]:
        """A simulated micrograph of any size as a real one would look, by the average of the weights.

        In tiles that overlap by all that a pixel depends on, with one field of noise: the same, to rounding, as at
        once. The published networks see all of it, and what is missing to a size that they can halve mirrored.
        """
        noise = torch.randn(field.shape, generator=generator).to(field)
        step = 2**self.config.depth
        height, width = (-(-side // step) * step for side in field.shape)
        if height >= 2 * field.shape[0] or width >= 2 * field.shape[1]:
            sides = f"{field.shape[1]} x {field.shape[0]}"
            raise ValueError(f"a field of {sides} px is too small for {self.config.depth} halvings")
        side = max(height, width) if self.translator.reach is None else _TILE
        both = pad(
            torch.stack([field, noise])[None], (0, width - field.shape[1], 0, height - field.shape[0]), "reflect"
        )[0]
        made = torch.empty(height, width)
        for tile in tiles((height, width), side, self.translator.reach or 0, multiple=step):
            part = both[:, *tile.seen].to(self.device)
            made[tile.core] = self.average(part[:1], part[1:])[0].cpu()[tile.inner]
        return made[: field.shape[0], : field.shape[1]]

    def figures(self, context: StepContext) -> dict[str, float]:
        return {}

    def stage(self, step: int) -> str:
        return ""

    def state_dict(self) -> dict[str, Any]:
        modules = {name: getattr(self, name).state_dict() for name in ("translator", "critic", "projector", "average")}
        return {
            **modules,
            "generator_optimizer": self._generator_optimizer.state_dict(),
            "critic_optimizer": self._critic_optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in ("translator", "critic", "projector", "average"):
            getattr(self, name).load_state_dict(state[name])
        self._generator_optimizer.load_state_dict(state["generator_optimizer"])
        self._critic_optimizer.load_state_dict(state["critic_optimizer"])

    def to(self, device: torch.device) -> None:
        for module in (self.translator, self.critic, self.projector, self.average):
            module.to(device)
        for optimizer in (self._generator_optimizer, self._critic_optimizer):
            optimizer.load_state_dict(optimizer.state_dict())  # which follows the parameters
