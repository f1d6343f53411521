"""cryoDRGN: a model of all images, and one of each half to say how far it can be trusted."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.data import ImageBatch, Support
from frazil.geometry import Pose, inverse_fourier_transform, soft_sphere
from frazil.inference import ParticleImages, find_poses
from frazil.methods.base import Autocast, Method, StepContext, stable_seed
from frazil.methods.cryodrgn.centred import CentredImages, Centring
from frazil.methods.cryodrgn.config import CryoDRGNConfig
from frazil.methods.cryodrgn.image_model import Latents
from frazil.methods.cryodrgn.latent_space import cluster
from frazil.methods.cryodrgn.learner import Learner
from frazil.methods.cryodrgn.model import new_model
from frazil.methods.cryodrgn.pose_steps import PoseSteps
from frazil.metrics import FSC, HALF_MAPS_AGREE, fourier_shell_correlation
from frazil.physics import colour_noise, white_noise

_JUDGED = 256  # images of each kind by which it is judged whether noise is learnt
_PROBED = 4  # images at whose latents the halves' volumes are compared
_POINTS_AT_ONCE = 2**16  # of the decoder, whose layers each keep as many rows
_PARTS = 8  # of the latent space, each with a volume against which poses are searched
_KNOWN = 0.5  # of the new poses' likelihood that the old ones have to have for the new ones to be taken
_FOLLOWING = 0.5  # of the run is done when poses begin to follow their gradients
_EDGE = 0.1  # of the radius, over which the particle's sphere fades


@dataclass(frozen=True)
class Split:
    """What a run learns from: all images but those held out; of these, two halves that share nothing."""

    learnt: Int[Tensor, " learnt"]
    held_out: Int[Tensor, " held_out"]
    halves: tuple[Int[Tensor, " first"], Int[Tensor, " second"]] | None

    @property
    def sets(self) -> list[Int[Tensor, " rows"]]:
        """The rows that each model learns from."""
        return [self.learnt, *(self.halves or ())]

    @property
    def judges(self) -> list[tuple[int, Int[Tensor, " rows"]]]:
        """The models that find poses, and of which rows: a half's are its own model's business."""
        if self.halves is None:
            return [(0, torch.cat([self.learnt, self.held_out]))]
        return [(0, self.held_out)] * bool(len(self.held_out)) + [*enumerate(self.halves, 1)]


class CryoDRGN(Method):
    """Autoencoders of the whole data set and of its halves; the halves' share nothing."""

    def __init__(
        self, config: CryoDRGNConfig, data: ParticleImages, pose: Pose, split: Split, support: Support, seed: int
    ) -> None:
        self.config, self.split = config, split
        # A copy, for poses change in place.
        self.centring = Centring(data, pose.map(torch.clone), support.radius / data.pixel_size)
        self.autocast: Autocast = nullcontext  # until a step, or a recipe, says otherwise
        self._max_shift = support.max_shift / data.pixel_size
        self._sphere = soft_sphere(data.box, self.centring.radius, _EDGE * self.centring.radius)
        self.learners = []
        for number, rows in enumerate(split.sets):
            with torch.random.fork_rng():
                torch.manual_seed(stable_seed(seed, "model", number))
                model = new_model(config, data.box, self.centring.radius, self.centring.pixels, len(rows))
            # A half has half the images: with half of them in a step, it sees each as often.
            batch_size = config.batch_size // (2 if number else 1)
            self.learners.append(Learner(config, model, self.centring.disc, batch_size))
        followed = [number for number, _ in split.judges if number] or [0]
        length = config.pose_step or 0.0
        self._pose_steps = {number: PoseSteps(length, self.centring.radius) for number in followed if length}

    def update(self, batch: Sequence[ImageBatch], context: StepContext) -> dict[str, Tensor | float]:
        """One step of each model on images of its own; the scalars are those of the whole set's."""
        self.autocast = context.autocast
        if context.step in self.config.search_steps(len(self.split.learnt)):
            self.search(context)
        done = min(1.0, context.step / self.config.steps(len(self.split.learnt)))
        pace = self.config.pace(done)
        every = []
        for number, (learner, part) in enumerate(zip(self.learners, batch, strict=True)):
            images, chance = self.centring(part), context.generator("latent", number)
            follows = done >= _FOLLOWING and number in self._pose_steps
            by = torch.zeros(len(images), 5, device=context.device, requires_grad=follows)
            if follows:
                images = images.moved(by, self.centring.disc.frequency)
            every.append(learner.update(images, pace, context, chance))
            if by.grad is not None:
                # The loss is a mean over this rank's images.
                self._follow(number, part.rows, len(images) * by.grad, context)
        return every[0]

    def _follow(
        self, number: int, rows: Int[Tensor, " batch"], gradient: Float[Tensor, "batch 5"], context: StepContext
    ) -> None:
        """Let poses follow their gradients, those of the other ranks' images too."""
        steps, size = self._pose_steps[number](gradient, context), self.learners[number].batch_size
        every = steps.new_zeros(size, 6, dtype=torch.float64)  # which holds any row's number exactly
        every[context.share(size)] = torch.cat([rows.to(every)[:, None], steps.to(every)], 1)
        context.sum_over_ranks([every])
        self.centring.move(every[:, 0].round().long(), every[:, 1:].to(steps))

    def search(self, context: StepContext) -> None:
        """Find all poses anew: each image's against the volume of its part of its own model's latent space.

        Any volume suits an image best at some pose. Where the poses as they are come to less than half of what the new
        ones do, the volumes do not know the particle yet, and the poses stay.
        """
        device, before = context.device, self.centring.pose
        found, score = before.map(torch.zeros_like), torch.zeros(len(before), device=device)
        for learner, rows in self.split.judges:
            latent = torch.zeros(len(rows), self.config.latent_dim, device=device)
            mine = slice(context.rank, None, context.world_size)
            if len(rows[mine]):  # more ranks than images held out leave some without any
                latent[mine] = self.guesses(rows[mine].to(device), learner).mean
            context.sum_over_ranks([latent])
            part = torch.zeros(len(rows), dtype=torch.long)
            if latent.numel():
                part = torch.from_numpy(cluster(latent.cpu().numpy(), _PARTS, seed=0).label)
            for number in part[mine].unique():
                chosen = rows[mine][part[mine] == number].to(device)
                pose, score[chosen] = self._find(chosen, latent[part == number].mean(0), learner)
                found.rotation[chosen], found.shift[chosen] = pose.rotation, pose.shift
        context.sum_over_ranks([found.rotation, found.shift, score])
        some = torch.arange(min(_JUDGED, len(before)), device=device)
        if self._gain(some) > _KNOWN * score[some].mean():
            self.centring = self.centring.with_pose(found)

    def _find(
        self, rows: Int[Tensor, " rows"], latent: Float[Tensor, " latent"], learner: int
    ) -> tuple[Pose, Float[Tensor, " rows"]]:
        data, radius = self.centring.data, self.centring.radius
        noise = self.learners[learner].noise * data.box**2
        return find_poses(data, rows, self.volume(latent, learner), noise, radius, self._max_shift)

    def read(self, rows: Int[Tensor, " batch"]) -> CentredImages:
        """Some images, centred."""
        return self.centring(ImageBatch(rows, self.centring.data.images(rows.cpu())))

    def _parts(self, rows: Int[Tensor, " rows"]) -> tuple[Int[Tensor, " part"], ...]:
        """As many at a time as memory has room for."""
        return rows.split(max(1, _POINTS_AT_ONCE // len(self.centring.disc.shell)))

    def _gain(self, rows: Int[Tensor, " rows"]) -> Float[Tensor, ""]:
        """What the model of all images explains of some, on average."""
        return torch.cat([self.learners[0].gain(self.read(part), self.autocast) for part in self._parts(rows)]).mean()

    def latents(self, rows: Int[Tensor, " rows"], learner: int = 0) -> Latents:
        """What a model makes of some images."""
        return Latents.joined(
            [self.learners[learner].settle(self.read(part), self.autocast) for part in self._parts(rows)]
        )

    @torch.no_grad()
    def guesses(self, rows: Int[Tensor, " rows"], learner: int = 0) -> Latents:
        """An encoder's, which cost a hundredth of settled latents."""
        return Latents.joined([self.learners[learner].encode(self.read(part)) for part in self._parts(rows)])

    def volume(self, latent: Float[Tensor, " latent"], learner: int = 0) -> Float[Tensor, "box box box"]:
        """A model's volume at a latent, within the particle's sphere."""
        return self.learners[learner].model.volume(latent.to(self._sphere.device)) * self._sphere

    def figures(self, context: StepContext) -> dict[str, float]:
        """Resolution between the halves' volumes, and what the model explains of images that it has not seen."""
        curves = self.half_map_fsc()
        resolutions = [curve.resolution(HALF_MAPS_AGREE) for curve in curves.values()]
        found = {"half_map_resolution": sum(resolutions) / len(resolutions)} if curves else {}
        for name, rows in (("gain", self.split.learnt), ("held_out_gain", self.split.held_out)):
            if len(rows):
                found[name] = float(self._gain(rows[:_JUDGED]))
        return found

    def half_map_fsc(self) -> dict[int, FSC]:
        """Of the halves' volumes at each half's own latent of the same image, for the rows of a few images."""
        if self.split.halves is None:
            return {}
        pixel_size = self.centring.data.pixel_size
        rows = torch.cat([self.split.held_out, self.split.learnt])[:_PROBED]
        latents = [self.latents(rows, half).mean for half in (1, 2)]
        found = {}
        for row, *pair in zip(rows.tolist(), *latents, strict=True):
            first, second = (self.volume(latent, half).cpu() for half, latent in enumerate(pair, 1))
            found[row] = fourier_shell_correlation(first, second, pixel_size)
        return found

    @torch.no_grad()
    def examples(self, count: int, seed: int) -> Float[Tensor, "count box box"]:
        """The first images as the model would have them, the particle in the centre, with noise as it finds it."""
        rows, learner, box = torch.arange(count), self.learners[0], self.centring.data.box
        seen, disc = self.read(rows), self.centring.disc
        clean = seen.spectrum.new_zeros(count, *disc.inside.shape)
        _, expected = learner.model(seen, disc.frequency, learner.precision)
        clean[:, disc.inside] = expected * box
        generator = torch.Generator().manual_seed(stable_seed(seed, "examples"))
        white = white_noise((count, box, box), generator).to(disc.weight)
        # The disc ends before Nyquist's own shell, which images have noise in all the same.
        noise = torch.cat([learner.noise[: disc.shell.max() + 1], learner.noise[disc.shell.max()][None]])
        return (inverse_fourier_transform(clean, box) + colour_noise(white, noise[: len(learner.noise)])).cpu()

    def stage(self, step: int) -> str:
        """The pass over the images."""
        return f"epoch {step // self.config.steps_of_epoch(len(self.split.learnt)) + 1}/{self.config.epochs}"

    def state_dict(self) -> dict[str, Any]:
        learners = [learner.state_dict() for learner in self.learners]
        pose_steps = [steps.state_dict() for steps in self._pose_steps.values()]
        pose = vars(self.centring.pose) if self.config.poses_change else {}
        return {"learners": learners, "pose_steps": pose_steps, **pose}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for learner, stored in zip(self.learners, state["learners"], strict=True):
            learner.load_state_dict(stored)
        for steps, stored in zip(self._pose_steps.values(), state["pose_steps"], strict=True):
            steps.load_state_dict(stored)
        if self.config.poses_change:
            pose = Pose(state["rotation"], state["shift"]).map(torch.clone)
            self.centring = self.centring.with_pose(pose.to(self._sphere.device))

    def to(self, device: torch.device) -> None:
        self.centring, self._sphere = self.centring.to(device), self._sphere.to(device)
        for learner in self.learners:
            learner.to(self.centring.disc)
        for steps in self._pose_steps.values():
            steps.to(device)
