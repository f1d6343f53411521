"""What cryoDRGN is told: its networks, its rates, how long it learns."""

import math
from dataclasses import dataclass
from typing import Literal

from frazil.methods.rates import half_cosine
from frazil.nets import EncodingKind

_LEAST = dict.fromkeys(("epochs", "batch_size", "encoder_width", "decoder_width"), 1)


@dataclass(frozen=True)
class Pace:
    """What changes over a run: Adam's learning rate, and the weight of the latent's divergence."""

    rate: float
    beta: float


@dataclass(frozen=True)
class CryoDRGNConfig:
    """How cryoDRGN learns: the latent, the networks, the rates."""

    latent_dim: int = 8
    """Numbers that tell a particle's structure from the others'; 0 where all are taken to be alike."""
    epochs: int = 20
    """Passes over all images."""
    batch_size: int = 16
    """Images of a step."""
    rate: float = 1e-3
    """Adam's learning rate at the start, or the least part of a step of the linear decoder; it falls to 0 as half a
    wave of a cosine."""
    beta: float | None = None
    """Weight of the latent's divergence from a standard normal distribution; default 1 / latent_dim, and 1/8 for
    fewer than eight, which with more weight say nothing."""
    beta_warmup: float = 0.0
    """Part of the run over which that weight rises from 0, evenly; the linear decoder knows no such time."""
    decoder: Literal["coordinates", "linear"] = "coordinates"
    """coordinates: the published network of frequency and latent. linear: a mean volume and one for each number of the
    latent, whose sum it weighs; no network is needed, so what is said of encoder, decoder and encoding has no effect,
    nor has --precision."""
    encoder_width: int = 256
    """Units of each layer of the encoder."""
    encoder_depth: int = 3
    """Residual layers of the encoder."""
    decoder_width: int = 256
    """Units of each layer of the decoder."""
    decoder_depth: int = 3
    """Residual layers of the decoder by coordinates."""
    encoding: EncodingKind = "gaussian"
    """Waves by which a frequency is given to the network: in random directions, or along the axes."""
    encoding_sigma: float = 0.5
    """Spread of the random directions, as a fraction of half the box."""
    scales: bool = True
    """Let images show their particles more or less strongly, as far as they do."""
    searches: int | None = None
    """How often on the way all poses are searched anew, each image's against the volume of its part of the latent
    space; default once where poses were inferred, else never."""
    pose_step: float | None = None
    """From halfway on each pose follows its gradient when its image is learnt from, by a step of this part of
    Newton's; 0 leaves poses as they are. Default 0.5 where poses were inferred, else 0."""
    held_out: float = 0.05
    """Share of the images that is never learnt from, to tell whether the network learns noise."""
    halves: bool = True
    """Learn each half set apart as well: what two models that share nothing agree on is the resolution."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, not {getattr(self, name)}")
        for name in ("latent_dim", "encoder_depth", "decoder_depth"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, it is {getattr(self, name)}")
        if not self.rate > 0 or not self.encoding_sigma > 0:
            raise ValueError(f"rates and spreads must be positive, not {self.rate:g} and {self.encoding_sigma:g}")
        if self.halves and self.batch_size % 2:
            raise ValueError(f"batch_size must be even, for each half has half of it, not {self.batch_size}")
        if not 0 <= self.beta_warmup <= 1:
            raise ValueError(f"beta_warmup must lie in 0 ... 1, it is {self.beta_warmup:g}")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out must lie in 0 ... 1, it is {self.held_out:g}")
        if self.searches is not None and self.searches < 0:
            raise ValueError(f"searches must not be negative, it is {self.searches}")
        if self.pose_step is not None and not 0 <= self.pose_step <= 1:
            raise ValueError(f"pose_step must lie in 0 ... 1, it is {self.pose_step:g}")
        if self.beta is not None and self.beta < 0:
            raise ValueError(f"beta must not be negative, it is {self.beta:g}")
        if self.beta == 0 and self.decoder == "linear":
            raise ValueError("beta must be positive for the linear decoder, whose latents it keeps finite")

    @property
    def divergence_weight(self) -> float:
        """Weight of the latent's divergence in the end, the default too."""
        return 1 / max(8, self.latent_dim) if self.beta is None else self.beta

    def pace(self, done: float) -> "Pace":
        """The rate and the weight where a part of the run is done."""
        risen = min(1.0, done / self.beta_warmup) if self.beta_warmup else 1.0
        return Pace(self.rate * half_cosine(done), self.divergence_weight * risen)

    def steps_of_epoch(self, images: int) -> int:
        """Steps in which every one of the images that are learnt is seen once."""
        return math.ceil(images / self.batch_size)

    def steps(self, images: int) -> int:
        """Of the whole run."""
        return self.epochs * self.steps_of_epoch(images)

    @property
    def poses_change(self) -> bool:
        """Whether poses are improved on the way."""
        return bool(self.searches or self.pose_step)

    def search_steps(self, images: int) -> set[int]:
        """The steps before which all poses are searched, evenly spread."""
        parts = (self.searches or 0) + 1
        return {round(self.steps(images) * part / parts) for part in range(1, parts)}
