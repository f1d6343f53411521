"""What a CryoGAN reconstruction is told: its one configuration, its stages and the published recipe."""

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

from frazil.losses import AdversaryName

_LEAST = {
    "boxes": 8,
    **dict.fromkeys(("steps", "batch_sizes", "critic_steps", "critic_width", "penalty_stride"), 1),
    **dict.fromkeys(("volume_rate", "critic_rate", "scale_rate", "final_rate"), 0),
    **dict.fromkeys(("penalty_weight", "shrinkage", "averaging", "smoothing"), 0),
}

View = Literal["phase-flip", "disc", "soft-circle", "dihedral"]

_PASSES = 100  # through a half's images, after which the critic knows them by heart
_PLENTY = 10_000  # images of a half, from which no smoother critic is needed than the default's
_ROUGH = 0.3  # of the steps, enough for a map that is refined
_FEWEST = 200  # steps of a stage; before, there is no map
_LATER = 0.2  # of the first rates, from which those of a later stage fall, lest it spoil what was found
_WAIT = 50  # steps at the start of a later stage in which the critic alone learns: it has not seen this detail before


@dataclass(frozen=True)
class Stage:
    """A stretch of the run at one box: coarse images first, finer ones when the map is ready for them."""

    box: int
    start: int
    steps: int
    batch_size: int


@dataclass(frozen=True)
class CryoGANConfig:
    """How CryoGAN learns: stages from coarse to fine, the critic, the rates."""

    symmetry: str = "C1"
    """Point group in RELION's settings."""
    boxes: tuple[int, ...] = (32, 48, 64)
    """Side in pixels to which images are Fourier-cropped in each stage; no finer than the images themselves."""
    steps: tuple[int, ...] = (5000, 700, 350)
    """Updates of the volume in each stage."""
    batch_sizes: tuple[int, ...] = (32,)
    """Images that a critic sees at a time: in each stage, or one number for all."""
    critic_steps: int = 4
    """Updates of the critic for each one of the volume."""
    critic_width: int = 16
    """Channels of the critic's first block; each further block has twice as many."""
    adversary: AdversaryName = "cross-entropy"
    """What the critic learns: the odds that an image is real, smooth by R1 + R2; Wasserstein's distance, smooth by the
    textbook's gradient penalty, whose weight may be 4; or the same with the published penalty, of each pixel."""
    penalty_weight: float = 0.1
    """Weight of what keeps the critic smooth, for halves of 10,000 images or more; it grows as they get fewer, unless
    it is given. One per pixel is that of the vector norm times the number of pixels."""
    penalty_stride: int = 2
    """The penalty, the dearest part of a step, is taken of every second image, or every n-th."""
    volume_rate: float = 0.03
    """Adam's learning rate of the volume at the start of the first stage."""
    critic_rate: float = 2e-3
    """Adam's learning rate of the critic at the start of the first stage."""
    scale_rate: float = 1e-3
    """Adam's learning rate of the signal's logarithm at the start; ten times that for learnt conditions."""
    final_rate: float = 0.05
    """All rates at the end of a stage, as a fraction of those at the start; they fall exponentially."""
    shrinkage: float = 0.3
    """Weight decay of the volume, times its rate: what the images do not ask for again and again fades."""
    averaging: float = 0.99
    """Decay of the running average of the volume's iterates that is the result; 0 takes the last iterate."""
    views: tuple[View, ...] = ("phase-flip", "disc", "soft-circle", "dihedral")
    """How the critic is shown real and simulated images alike: with the signs that the lens reversed put right, so
    that it is told where its zeros are; without the corners of their spectrum, which no volume reaches; through a
    circle; turned and flipped, which uniform poses allow."""
    conditions: Literal["auto", "given", "learnt"] = "auto"
    """learnt: a factor for each Fourier shell of the noise instead of one for all, and by how much the shifts fall
    short of those asked for. auto: learnt for particles with neighbours, given for others."""
    start: Literal["random", "zero"] = "random"
    """random: faint density of each half's own, so that two halves do not take the same path from nothing, whose
    wrong turns would pass for agreement. zero: as published."""
    negativity: Literal["free", "relaxed"] = "free"
    """relaxed: density from 0 at first to -1 % of the maximum at the end, as published."""
    smoothing: float = 0.0
    """Gaussian blur of both kinds of images at the start, standard deviation in pixels; gone at the end."""

    def __post_init__(self) -> None:
        batches = len(self.batch_sizes)
        if not self.boxes or len(self.steps) != len(self.boxes) or batches not in (1, len(self.boxes)):
            raise ValueError(
                "each stage needs its own number of --boxes and --steps, and of --batch-sizes, or one for all: not"
                f" {_listed(self.boxes)} px, {_listed(self.steps)} steps, {_listed(self.batch_sizes)} images"
            )
        if list(self.boxes) != sorted(set(self.boxes)):
            raise ValueError(f"boxes must grow from stage to stage, these are {self.boxes}")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not min(value if isinstance(value, tuple) else (value,)) >= least:
                raise ValueError(f"{name} must be {least} or more, not {value}")
        if not self.averaging < 1:
            raise ValueError(f"averaging must be less than 1, not {self.averaging:g}: the average would never move")

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages in order, with the step at which each begins."""
        starts = accumulate(self.steps, initial=0)
        batches = self.batch_sizes * (len(self.boxes) if len(self.batch_sizes) == 1 else 1)
        return tuple(map(Stage, self.boxes, starts, self.steps, batches))

    def up_to(self, box: int) -> "CryoGANConfig":
        """Same recipe where no stage is finer than `box`: the first that would be is held at `box`, the others go."""
        kept = sum(stage.box < box for stage in self.stages) + 1
        boxes = tuple(min(stage.box, box) for stage in self.stages[:kept])
        return replace(self, boxes=boxes, steps=self.steps[:kept], batch_sizes=self.batch_sizes[:kept])

    def reaching(self, box: int) -> "CryoGANConfig":
        """Same recipe with one stage more, at `box`, where that is finer than its last."""
        if box <= self.boxes[-1]:
            return self
        steps = (*self.steps, self.steps[-1])
        batch_sizes = self.batch_sizes if len(self.batch_sizes) == 1 else (*self.batch_sizes, self.batch_sizes[-1])
        return replace(self, boxes=(*self.boxes, box), steps=steps, batch_sizes=batch_sizes)

    def rough(self, field: float, detail: float) -> "CryoGANConfig":
        """Same recipe for a map to start from: fewer steps, to the first box that shows `detail` of a `field`."""
        enough = next((n for n, box in enumerate(self.boxes, 1) if 2 * field / box <= detail), len(self.boxes))
        steps = tuple(max(1, round(_ROUGH * steps)) for steps in self.steps[:enough])
        return replace(self, boxes=self.boxes[:enough], steps=steps, batch_sizes=self.batch_sizes[:enough])

    def smoothed(self, count: int) -> "CryoGANConfig":
        """Same recipe for a half of `count` images: the fewer, the smoother the critic, or it learns them by heart.

        The penalty is to the mean score of all images what a prior is to a likelihood: it weighs as 1 / count.
        """
        return replace(self, penalty_weight=self.penalty_weight * max(1.0, _PLENTY / count))

    def for_images(self, count: int) -> "CryoGANConfig":
        """Same recipe for a half of `count` images, in fewer steps where a critic would come to know them by heart."""
        left = _PASSES * count // (self.critic_steps * self.batch_sizes[0])
        kept: list[int] = []
        for steps in self.steps:
            if kept and left < min(steps, _FEWEST):
                break
            kept.append(min(steps, max(left, _FEWEST)))
            left -= kept[-1]
        boxes, batch_sizes = self.boxes[: len(kept)], self.batch_sizes[: len(kept)]
        return replace(self, boxes=boxes, steps=tuple(kept), batch_sizes=batch_sizes)

    def stage(self, step: int) -> Stage:
        """The stage that a step belongs to."""
        return next(stage for stage in reversed(self.stages) if stage.start <= step)


def rate_factor(config: CryoGANConfig, step: int) -> float:
    """Learning rates at a step, as a fraction of those at the start of the run."""
    stage = config.stage(step)
    first = 1.0 if stage.start == 0 else max(_LATER, config.final_rate)
    return first * (config.final_rate / first) ** ((step - stage.start) / max(1, stage.steps - 1))


def waits(config: CryoGANConfig, step: int) -> bool:
    """Whether the volume waits for the critic, which has just been shown finer images."""
    stage = config.stage(step)
    return stage.start > 0 and step - stage.start < min(_WAIT, stage.steps // 2)


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def published_recipe(box: int, images: int, epochs: int = 15) -> CryoGANConfig:
    """The recipe for real data of Gupta et al. 2021 at one box: per-pixel penalty, max-pool critic, batches of 8.

    An epoch passes every image once: 8 to each of the four critic steps and to the volume's.
    """
    steps = max(1, epochs * images // (8 * 5))
    return CryoGANConfig(
        boxes=(box,),
        steps=(steps,),
        batch_sizes=(8,),
        critic_steps=4,
        critic_width=96,
        adversary="wasserstein-per-pixel",
        penalty_weight=1.0,
        penalty_stride=1,
        volume_rate=1e-3,
        critic_rate=1e-3,
        scale_rate=1e-3,
        final_rate=0.92**epochs,
        shrinkage=0.0,
        averaging=0.0,
        views=(),
        conditions="given",
        start="zero",
        negativity="relaxed",
        smoothing=2.0,
    )
