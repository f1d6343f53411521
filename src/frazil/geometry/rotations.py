"""Orientations: RELION's Euler angles, uniform and gridded SO(3), and the pose of a particle."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

import roma
import torch
from jaxtyping import Float
from torch import Tensor

Record = TypeVar("Record", bound="Batched")  # not typing.Self: beartype refuses it on methods


@dataclass(frozen=True)
class Batched:
    """Tensors that share a leading batch axis; indexing and moving act on all of them."""

    def map(self: Record, function: Callable[[Tensor], Tensor]) -> Record:
        """Same record with `function` applied to every tensor."""
        return type(self)(**{field.name: function(getattr(self, field.name)) for field in fields(self)})

    def __getitem__(self: Record, index: slice | Tensor) -> Record:
        return self.map(lambda tensor: tensor[index])

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def to(self: Record, target: torch.device | torch.dtype | str) -> Record:
        """Same record on another device or in another precision."""
        return self.map(lambda tensor: tensor.to(target))


@dataclass(frozen=True)
class Pose(Batched):
    """Orientation and position of each particle.

    `rotation` (batch, 3, 3) takes the particle's frame to the microscope's, on xyz columns. `shift` (batch, 2), in
    angstrom, x then y, is where the particle's centre is, relative to the centre of the box.
    """

    rotation: Float[Tensor, "batch 3 3"]
    shift: Float[Tensor, "batch 2"]


def euler_to_rotation(angles: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation from the particle's frame to the microscope's for RELION's rot, tilt, psi in degrees.

    The matrix of Heymann, Chagoyen & Belnap (J. Struct. Biol. 151:196, 2005), as RELION's Euler_angles2matrix: its
    third row is the direction of view in the particle's frame.
    """
    return roma.euler_to_rotmat("ZYZ", angles, degrees=True).transpose(-1, -2)


def rotation_to_euler(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """RELION's rot, tilt, psi in degrees, rot and psi in (-180, 180], tilt in [0, 180]."""
    x, y, z = rotation[..., 2, 0], rotation[..., 2, 1], rotation[..., 2, 2]
    sine = torch.hypot(x, y)
    polar = sine < 1e-6 if rotation.dtype == torch.float64 else sine < 1e-4
    rot = torch.where(polar, 0.0, torch.atan2(y, x))
    psi_at_pole = torch.atan2(rotation[..., 0, 1], rotation[..., 1, 1])
    psi = torch.where(polar, psi_at_pole, torch.atan2(rotation[..., 1, 2], -rotation[..., 0, 2]))
    return torch.rad2deg(torch.stack([rot, torch.atan2(sine, z), psi], dim=-1))


def random_rotations(
    count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "count 3 3"]:
    """Rotations distributed uniformly over SO(3) (normalised Gaussian quaternions)."""
    quaternion = torch.randn(count, 4, generator=generator, device=generator.device, dtype=dtype)
    return roma.unitquat_to_rotmat(quaternion / quaternion.norm(dim=-1, keepdim=True))


def rotation_angle(first: Float[Tensor, "*batch 3 3"], second: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """Angle in degrees of the turn that takes one orientation to the other."""
    return torch.rad2deg(roma.rotmat_geodesic_distance(first, second))


def grid_spacing_deg(order: int) -> float:
    """Distance between neighbours in `rotation_grid`, in degrees."""
    return 60 / 2**order


def rotation_grid(order: int) -> Float[Tensor, "count 3 3"]:
    """Nested Hopf grid of SO(3): HEALPix directions of view times in-plane angles.

    `order` 0 has 72 rotations 60 degrees apart; each further order halves the spacing and has eight times as many
    (Yershova et al., Int. J. Robot. Res. 29:801, 2010). Rotation i of one order has children 8 i ... 8 i + 7 in
    the next, which split its pixel of the sphere in four and its arc of the circle in two.
    """
    arcs = 6 * 2**order
    psi = (torch.arange(arcs, dtype=torch.float64) + 0.5) * 360 / arcs
    in_plane = euler_to_rotation(torch.nn.functional.pad(psi[:, None], (2, 0)))
    pixel, arc = _nested_order(12, 6, order)
    return (in_plane[arc] @ _frames(order)[pixel]).float()


def half_turn_grid(order: int) -> Float[Tensor, "half 3 3"]:
    """Half of `rotation_grid`: turned by 180 degrees in the image's plane, it is the other half."""
    _, arc = _nested_order(12, 6, order)
    return rotation_grid(order)[arc < 3 * 2**order]


def subdivide_rotations(
    rotation: Float[Tensor, "*batch count 3 3"], spacing_deg: float
) -> Float[Tensor, "*batch children 3 3"]:
    """Eight rotations in place of each of a grid `spacing_deg` apart: a quarter of that to both sides on every axis.

    The children of rotation i are 8 i ... 8 i + 7. Unlike those of the next `rotation_grid` they are made without
    knowing where in a grid the rotation stands.
    """
    sides = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3) * torch.deg2rad(torch.tensor(spacing_deg / 4))
    turns = roma.rotvec_to_rotmat(sides).to(rotation)
    return (turns @ rotation[..., None, :, :]).flatten(-4, -3)


def _healpix_angles(order: int) -> Tensor:
    """RELION angles with psi 0 of the nested HEALPix directions."""
    from astropy_healpix import HEALPix

    pixels = HEALPix(2**order, order="nested")
    longitude, latitude = pixels.healpix_to_lonlat(range(pixels.npix))
    rot, tilt = torch.as_tensor(longitude.deg), 90 - torch.as_tensor(latitude.deg)
    return torch.stack([rot, tilt, torch.zeros_like(rot)], dim=-1)


def _frames(order: int) -> Tensor:
    """One rotation per direction of view, its in-plane angle carried along from the centre of the base pixel.

    With psi counted from the meridian instead, neighbours at a pole differ by their rot, and at every order some
    children lie more than 20 degrees from their parent.
    """
    base = euler_to_rotation(_healpix_angles(0)).repeat_interleave(4**order, dim=0)
    centre, view = base[:, 2], euler_to_rotation(_healpix_angles(order))[:, 2]
    cross = torch.linalg.cross(view, centre)
    skew = torch.stack([torch.linalg.cross(cross, axis.expand_as(cross)) for axis in torch.eye(3).to(cross)], dim=-1)
    cosine = (view * centre).sum(-1)[:, None, None]
    # The smallest turn that takes the view to the centre (Rodrigues).
    return base @ (torch.eye(3).to(cross) + skew + skew @ skew / (1 + cosine))


def _nested_order(pixels: int, arcs: int, order: int) -> tuple[Tensor, Tensor]:
    """Pixel and arc of every grid rotation, so that children follow their parent."""
    pixel = torch.arange(pixels).repeat_interleave(arcs)
    arc = torch.arange(arcs).repeat(pixels)
    for _ in range(order):
        pixel = (4 * pixel[:, None] + torch.arange(4).repeat_interleave(2)).flatten()
        arc = (2 * arc[:, None] + torch.arange(2).repeat(4)).flatten()
    return pixel, arc
