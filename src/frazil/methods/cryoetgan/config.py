"""How CryoETGAN's translator learns, by default, as published and as released."""

from dataclasses import dataclass, replace
from typing import Literal

from frazil.losses import PatchAdversaryName


@dataclass(frozen=True)
class CryoETGANConfig:
    """How the translator learns."""

    steps: int = 1200
    """Updates."""
    batch_size: int = 4
    """Volumes of each kind in an update."""
    rate: float = 2e-4
    """Learning rate; from halfway on it falls to 0, evenly."""
    start: Literal["physics", "density"] = "physics"
    """What is translated. physics: subtomograms simulated like the real ones. density: turned structures with noise of
    --density-noise on them, the paper's."""
    density_noise: float = 0.2
    """Standard deviation of the noise on bare densities, whose protein is 1."""
    keep: Literal["content", "cycle"] = "content"
    """How molecules are held. content: coarse detail outside the wedge stays as it was. cycle: a second translator
    leads back, the paper's."""
    keep_weight: float = 10.0
    """How much what is kept weighs beside looking real."""
    adversary: PatchAdversaryName = "least-squares"
    """What the critic learns; the last is the released code's."""
    critic_norm: Literal["spectral", "penalty", "none"] = "spectral"
    """spectral: no layer of the critic stretches anything by more than 1 (Miyato et al. 2018). penalty: the released
    code's, on the length of the gradient along one axis."""
    networks: Literal["residual", "published", "released"] = "residual"
    """residual: what is added to a volume, without normalisation. published: the paper's, 7 and 11 million weights.
    released: the same with tanh behind the translator and instance norm in the critic."""
    turns: bool = True
    """Show the critic parts of what is real and what is generated, half turned about x, y or z."""
    conditional: bool = False
    """Tell the residual translator which of the models each volume shows, so that it may treat them differently; it
    then makes no others, and no tomograms."""
    optimizer: Literal["adam", "rmsprop"] = "adam"
    """Who takes the steps."""
    width: int = 8
    """Channels of the residual translator's first level."""
    critic_width: int = 16
    """Channels of its critic's first level."""
    pool: int = 0
    """Generated volumes of earlier steps that the critic is shown half of the time."""
    ema_decay: float = 0.998
    """Of the average of the translator's weights at each step; the average is what generates."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "width", "critic_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        for name in ("keep_weight", "density_noise", "pool"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, it is {getattr(self, name):g}")
        if self.conditional and self.networks != "residual":
            raise ValueError(f"the {self.networks} networks are not told of classes: leave out --conditional")
        if not self.rate > 0 or not 0 <= self.ema_decay < 1:
            raise ValueError(f"rate must be positive and ema_decay lie in 0 ... 1: {self.rate:g}, {self.ema_decay:g}")


PUBLISHED = CryoETGANConfig(
    steps=80_000,
    batch_size=1,
    start="density",
    keep="cycle",
    adversary="wasserstein",
    networks="published",
    optimizer="rmsprop",
    pool=50,
    turns=False,
    ema_decay=0.0,
)
"""As the paper says: 50 epochs of 1,600 volumes."""
RELEASED = replace(
    PUBLISHED, adversary="least-squares-0.8", critic_norm="penalty", networks="released", keep_weight=100.0
)
"""As its released code does."""


def check_pool(config: CryoETGANConfig, ranks: int) -> None:
    """ValueError where several ranks would have to share a pool."""
    if config.pool and ranks > 1:
        raise ValueError(f"a pool of {config.pool} earlier volumes is one process's; give --pool 0 to several")
