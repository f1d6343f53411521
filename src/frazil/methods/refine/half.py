"""One half of the data and its map: what the images say of their poses, and the poses of the map."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from frazil.geometry import Pose, phase_ramp, soft_sphere
from frazil.inference import Evidence, FourierDisc, GridPosterior, ParticleImages, PosePosterior, PoseSearch
from frazil.physics import (
    BackProjection,
    colour_noise,
    form_images,
    sample_slices,
    to_fourier_volume,
    white_noise,
)

_LEAST_WEIGHT = 1e-3  # of a rotation, below which it adds nothing but time
_STORED = ("volume", "map", "noise", "score", "certainty")
_AT_ONCE = 1024  # slices that are put back at a time
_EDGE = 0.1  # of the radius, over which the particle's sphere fades


@dataclass
class Expectation:
    """What one pass over the images found; rows that another rank had are 0."""

    sums: BackProjection
    powers: Float[Tensor, "3 shells"]
    """Of the images, of these with what the map expects at their poses, and of what it expects: sums over shells."""
    pose: Pose
    score: Float[Tensor, " particles"]
    """Logarithm of the best pose's likelihood against that of noise alone."""
    certainty: Float[Tensor, " particles"]
    """Probability of the best rotation."""

    def tensors(self) -> list[Tensor]:
        """All that ranks add up."""
        return [self.sums.sums, self.powers, self.pose.rotation, self.pose.shift, self.score, self.certainty]

    def noise(self, scaled: bool) -> Float[Tensor, " shells"]:
        """Power of what the map does not explain, as it is or, where its units are not the images', at best."""
        observed, cross, expected = self.powers
        contrast = 1.0 if scaled else cross.sum() / expected.sum().clamp(min=torch.finfo(cross.dtype).tiny)
        return observed - contrast * (2 * cross - contrast * expected)


@dataclass
class Weighed:
    """What one pass over the images found that weighs all poses of a grid."""

    sums: BackProjection
    noise: Float[Tensor, " shells"]
    """Power of what the map does not explain, summed over the shells."""
    evidence: Float[Tensor, ""]
    """Logarithm of the images' likelihood under all poses, against that of noise alone, summed."""
    count: Float[Tensor, ""]
    """Images that were weighed."""

    def tensors(self) -> list[Tensor]:
        """All that ranks add up."""
        return [self.sums.sums, self.noise, self.evidence, self.count]


class HalfRefinement:
    """Map, noise and poses of one half; it knows of no other.

    `volume` is as far believed as the FSC allows, and searched with; `map` is the same data unfiltered.
    """

    def __init__(self, data: ParticleImages, volume: Float[Tensor, "box box box"], radius: float) -> None:
        """`radius` of the particle in pixels."""
        self.data, self.volume, self.map = data, volume, volume
        self.noise = volume.new_zeros(data.box // 2 + 1)
        self.pose = _no_poses(data.count, volume)
        self.score, self.certainty = volume.new_zeros(data.count), volume.new_zeros(data.count)
        self.sphere = soft_sphere(data.box, radius, _EDGE * radius).to(volume)
        self._power: Tensor | None = None

    def expect(
        self, make_search: Callable[[Tensor], PoseSearch], disc: FourierDisc, rows: Int[Tensor, " rows"]
    ) -> Expectation:
        """Poses of some images against the map as it is, and the sums that the next map is made of."""
        search = make_search(self.volume)
        sums = BackProjection.empty(self.data.box, like=self.volume)
        pose, nothing = _no_poses(self.data.count, self.volume), torch.zeros_like
        powers = nothing(self.noise).expand(3, -1).clone()
        found = Expectation(sums, powers, pose.map(nothing), nothing(self.score), nothing(self.certainty))
        for part in rows.split(search.at_once()):
            self._expect(part, search, disc, found)
        return found

    def _expect(self, rows: Tensor, search: PoseSearch, disc: FourierDisc, found: Expectation) -> None:
        observed = self.data.observe(rows, disc)
        evidence = Evidence.of(observed, disc, self._noise())
        posterior = search(evidence)
        best = posterior.best(self.data.pixel_size)
        found.pose.rotation[rows], found.pose.shift[rows] = best.rotation, best.shift
        found.score[rows] = posterior.score
        found.certainty[rows] = posterior.weight.sum(-1).amax(1)
        pair = _pairs(posterior, disc.frequency)
        slices, weight = pair.moved * evidence.matched[pair.image], pair.weight[:, None] * evidence.power[pair.image]
        found.sums.add(slices, weight, pair.rotation, disc.frequency)
        expected = pair.slices * observed.ctf[pair.image]
        cross = (pair.moved * observed.spectrum[pair.image] * expected.conj()).real
        size = pair.weight[:, None] * expected.abs().square()
        powers = torch.stack([observed.spectrum.abs().square().sum(0), cross.sum(0), size.sum(0)])
        found.powers.index_add_(1, disc.shell, powers * disc.weight / self.data.count)

    def weigh(
        self,
        make_posterior: Callable[[Tensor], GridPosterior],
        grid: Float[Tensor, "n 3 3"],
        disc: FourierDisc,
        rows: Int[Tensor, " rows"],
    ) -> Weighed:
        """All poses of half a grid for some images, each with its probability, and what the next map is made of."""
        slices = sample_slices(to_fourier_volume(self.volume), grid, disc.frequency)
        posterior, power = make_posterior(slices), torch.zeros_like(disc.weight)
        for part in rows.split(posterior.at_once()):
            observed = self.data.observe(part, disc)
            posterior.add(Evidence.of(observed, disc, self._noise()))
            power += observed.spectrum.abs().square().sum(0)
        found, back = posterior.sums, BackProjection.empty(self.data.box, like=self.volume)
        for some in torch.arange(len(grid), device=grid.device).split(_AT_ONCE):
            back.add(found.slices[some], found.weight[some], grid[some], disc.frequency)
        fit = 2 * (slices.conj() * found.slices).real - slices.abs().square() * found.weight
        residual = power * disc.weight - fit.sum(0) * self._noise()[disc.shell]
        noise = torch.zeros_like(self.noise).index_add_(0, disc.shell, residual)
        return Weighed(back, noise, found.evidence, noise.new_tensor(float(len(rows))))

    def _noise(self) -> Float[Tensor, " shells"]:
        """Noise power by shell; where nothing is known of it yet, the images' own."""
        if self._power is None:
            self._power = self.data.mean_power()
        return torch.where(self.noise > 0, self.noise, self._power.to(self.noise))

    @torch.no_grad()
    def examples(self, count: int, generator: torch.Generator) -> Float[Tensor, "count box box"]:
        """The map as it should look in the first images: at their poses, through their lenses, with their noise."""
        rows, box = slice(0, min(count, self.data.count)), self.data.box
        ctf = None if self.data.ctf is None else self.data.ctf[rows]
        clean = form_images(self.volume, self.pose[rows], ctf, self.data.pixel_size, margin=1)
        white = white_noise(tuple(clean.shape), generator).to(clean)
        return (clean + colour_noise(white, self._noise() / box**2)).cpu()

    def state_dict(self) -> dict[str, Tensor]:
        """All that the next iteration depends on, and what it found."""
        state = {name: getattr(self, name) for name in _STORED}
        return {**state, "rotation": self.pose.rotation, "shift": self.pose.shift}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` gave, onto the device that this half is on."""
        for name in _STORED:
            setattr(self, name, state[name].to(self.sphere.device))
        self.pose = Pose(state["rotation"], state["shift"]).to(self.sphere.device)

    def to(self, device: torch.device) -> None:
        """Move everything but the images, which follow batch by batch."""
        self.data, self.sphere = self.data.to(device), self.sphere.to(device)
        self.load_state_dict(self.state_dict())


@dataclass(frozen=True)
class _Pairs:
    """Images, each with a rotation that is likely for it; an image stands in as many pairs as it has such."""

    image: Int[Tensor, " pairs"]
    rotation: Float[Tensor, "pairs 3 3"]
    weight: Float[Tensor, " pairs"]
    moved: Complex[Tensor, "pairs points"]
    """What moves the image back to the centre, a mean over the likely shifts; the weight is in it."""
    slices: Complex[Tensor, "pairs points"]
    """Of the map that was searched, at the rotation."""


def _pairs(posterior: PosePosterior, frequency: Float[Tensor, "points xy"]) -> _Pairs:
    by_rotation = posterior.weight.sum(-1)
    image, place = torch.nonzero(by_rotation > _LEAST_WEIGHT, as_tuple=True)
    back = phase_ramp(-posterior.shift, frequency)
    moved = (posterior.weight[image, place][:, None].to(back.dtype) @ back[image])[:, 0]
    at = image, place
    return _Pairs(image, posterior.rotation[at], by_rotation[at], moved, posterior.slices[at])


def _no_poses(count: int, like: Tensor) -> Pose:
    return Pose(torch.eye(3).to(like).repeat(count, 1, 1), like.new_zeros(count, 2))
