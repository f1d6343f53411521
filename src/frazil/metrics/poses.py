"""Errors of poses that were found, against true ones, once both are in one frame."""

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from frazil.geometry import Pose, rotation_angle, symmetry_rotations
from frazil.metrics.resampling import mirror_volume, move_volume

_STARTS, _SAMPLE = 100, 1000  # images whose own turn is tried for all, and images that judge it
_ROUNDS = 5  # of the mean over the images that agree
_SAME_FRAME_DEG, _SAME_PLACE = 0.01, 1e-3  # degrees and pixels: to resample a map for less would only blur it
_AGREE = 3.0  # times the median error, up to which an image has a say in the frame


@dataclass(frozen=True)
class PoseErrors:
    """What remains after the one turn, hand and offset that suit most images."""

    angle_deg: Float[Tensor, " particles"]
    """Between the orientations, at the nearest one that the symmetry allows."""
    shift: Float[Tensor, " particles"]
    """Between the particle's places in the image, in angstrom."""
    rotation: Float[Tensor, "3 3"]
    """From the frame in which poses were found to the true one."""
    mirrored: bool
    """The poses that were found are those of the other hand."""
    offset: Float[Tensor, " 3"]
    """Where the found frame's origin is in the true frame, in angstrom."""

    def in_true_frame(self, volume: Float[Tensor, "box box box"], pixel_size: float) -> Float[Tensor, "box box box"]:
        """A map that was made with the poses that were found, as the true poses would have made it."""
        turn = rotation_angle(self.rotation, torch.eye(3).to(self.rotation))
        if not self.mirrored and float(turn) < _SAME_FRAME_DEG and float(self.offset.norm()) < _SAME_PLACE * pixel_size:
            return volume
        rotation = self.rotation
        if self.mirrored:  # what is seen from behind is the inverted map; one through z = 0 is that after half a turn
            volume, rotation = mirror_volume(volume), rotation @ rotation.new_tensor([-1.0, -1.0, 1.0]).diag()
        return move_volume(volume, rotation, self.offset / pixel_size)


def pose_errors(found: Pose, truth: Pose, symmetry: str = "C1") -> PoseErrors:
    """Errors of every particle's pose after global alignment over rotations, both hands and the origin.

    `symmetry` is that of the true particle, in its standard axes. Neither the turn nor the origin is drawn off by
    images whose poses are wrong: both come from those that agree with most.
    """
    group = symmetry_rotations(symmetry).to(truth.rotation)
    equivalent = truth.rotation[:, None] @ group
    # Seen from behind, a particle of the other hand shows what this one does: half a turn in the image's plane.
    half_turn = group.new_tensor([-1.0, -1.0, 1.0])[:, None]
    seen = found.rotation, half_turn * found.rotation
    frames = [_common_frame(rotation, equivalent) for rotation in seen]
    hands = [_nearest(rotation, equivalent, frame) for rotation, frame in zip(seen, frames, strict=True)]
    best = min(range(2), key=lambda hand: float(hands[hand][1].median()))
    rotation, (nearest, angle) = frames[best], hands[best]
    moved = found.shift - truth.shift
    agree = angle <= _AGREE * angle.median()
    views = equivalent[torch.arange(len(nearest)), nearest, :2]
    offset = torch.linalg.lstsq(views[agree].flatten(0, 1), moved[agree].flatten()[:, None]).solution[:, 0]
    return PoseErrors(angle, (moved - views @ offset).norm(dim=-1), rotation, bool(best), offset)


def _common_frame(found: Float[Tensor, "n 3 3"], equivalent: Float[Tensor, "n group 3 3"]) -> Float[Tensor, "3 3"]:
    """The turn A for which found = truth A in most images."""
    some = torch.linspace(0, len(found) - 1, min(_SAMPLE, len(found))).long()
    starts = equivalent[some[:_STARTS], 0].mT @ found[some[:_STARTS]]
    left = torch.stack([_nearest(found[some], equivalent[some], start)[1].median() for start in starts])
    frame = starts[left.argmin()]
    for _ in range(_ROUNDS):
        nearest, angle = _nearest(found, equivalent, frame)
        turn = equivalent[torch.arange(len(nearest)), nearest].mT @ found
        frame = roma.special_procrustes(turn[angle <= _AGREE * angle.median()].mean(0))
    return frame


def _nearest(
    found: Float[Tensor, "n 3 3"], equivalent: Float[Tensor, "n group 3 3"], frame: Float[Tensor, "3 3"]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Of each image's equivalent true orientations the one that `frame` turns nearest to its own, and by what angle."""
    turn = equivalent.mT @ found[:, None]
    angle, nearest = rotation_angle(turn, frame.expand_as(turn)).min(1)
    return nearest, angle
