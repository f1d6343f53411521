"""CryoGAN's simulator (Gupta et al. 2021, algorithm 2): a volume in, images like the microscope's out."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from frazil.geometry import Pose
from frazil.physics import CTF, FourierVolume, NoiseModel, RotationPrior, ShiftPrior, colour_noise, form_images

_DRAWS = 256  # images over which a volume's strength is averaged


@dataclass(frozen=True)
class HalfConditions:
    """How the conditions of one half's images are distributed. Nothing in it is shared with the other half."""

    rotations: RotationPrior
    shifts: ShiftPrior
    ctf: CTF | None
    """One row for each of the half's particles; None for images that no lens has blurred."""
    noise: NoiseModel
    """Rows as in `ctf`: noise and defocus of one micrograph belong together."""
    particles: int
    field: float
    """Side of the box in angstrom, at whatever pixel size."""
    neighbours: Float[Tensor, "particles most xy"] | None = None
    """Where the particles nearby lie, rows as in `ctf`; inf where there is none."""
    signal_power: float = 1.0
    """Mean square of the particle in its circle, in units of the noise's, at the first stage's box."""


@dataclass(frozen=True)
class Draw:
    """Conditions of one batch: where the particles lie, through which lens, and what the detector adds."""

    pose: Pose
    ctf: CTF | None
    noise: Float[Tensor, "batch box box"]
    neighbours: Float[Tensor, "batch most xy"] | None = None


@dataclass(frozen=True)
class LogScales:
    """Logarithms of how much of the signal, the noise and the shifts that were drawn is in the images."""

    signal: Float[Tensor, ""]
    noise: Float[Tensor, " shells"]
    """One number, or one for each Fourier shell."""
    shift: Float[Tensor, ""]


def draw_conditions(conditions: HalfConditions, count: int, box: int, rows: slice, generator: torch.Generator) -> Draw:
    """Conditions for the rows `rows` of a joined batch of `count`, which is drawn whole on every rank."""
    pose = Pose(conditions.rotations.sample(count, generator), conditions.shifts.sample(count, generator))
    particle = torch.randint(conditions.particles, (count,), generator=generator, device=generator.device)
    noise = conditions.noise.sample(particle, box, generator)
    ctf = None if conditions.ctf is None else conditions.ctf[particle[rows]]
    neighbours = None if conditions.neighbours is None else conditions.neighbours[particle[rows]]
    return Draw(pose[rows], ctf, noise[rows], neighbours)


def simulate_images(
    spectrum: FourierVolume, draw: Draw, pixel_size: float, log_scales: LogScales
) -> Float[Tensor, "batch box box"]:
    """Images of a volume under the drawn conditions, whose strength is learnt.

    y = e^a C_c S_rt P_theta x + e^b n with r = e^s (Gupta et al. 2021, equation 1 and section IV), where b may differ
    from one Fourier shell to the next: noise measured beside the particles is not quite what stands behind them.
    """
    margin = 1 if draw.neighbours is None else 2  # a neighbour's edge in the image belongs to a centre outside it
    pose = replace(draw.pose, shift=log_scales.shift.exp() * draw.pose.shift)
    clean = form_images(spectrum, pose, draw.ctf, pixel_size, margin, draw.neighbours)
    shells = draw.noise.shape[-1] // 2 + 1
    noise = colour_noise(draw.noise, (2 * log_scales.noise).exp().expand(shells))
    return log_scales.signal.exp() * clean + noise


@torch.no_grad()
def matching_scale(
    spectrum: FourierVolume, conditions: HalfConditions, inside: Bool[Tensor, "box box"]
) -> Float[Tensor, ""]:
    """The signal's scale at which a volume is as strong, in the particle's circle, as the images are there."""
    box, device = inside.shape[-1], inside.device
    generator = torch.Generator(device).manual_seed(0)
    draw = draw_conditions(conditions, _DRAWS, box, slice(None), generator)
    clean = form_images(spectrum, draw.pose, draw.ctf, conditions.field / box, margin=1)
    return (conditions.signal_power / clean[:, inside].square().mean()).sqrt()
