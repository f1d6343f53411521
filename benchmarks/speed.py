"""How long projectors and a step of CryoGAN take, and how exact the projectors are, beside torch-fourier-slice.

    python benchmarks/speed.py [--boxes 64 128] [--batch 32] [--threads 1] [--device cpu]

Prints one table per section and writes them to benchmarks/results/speed_<hardware>_<date>.md.
"""

import argparse
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import torch
from floor import Ceiling, ceiling, seconds, work
from results_file import heading, markdown_table, write_results
from torch import Tensor

from frazil.data import Support
from frazil.data.phantoms import blob_projections, blob_volume, random_blobs
from frazil.geometry import inverse_fourier_transform, random_rotations
from frazil.losses import ADVERSARIES
from frazil.methods.base import StepContext
from frazil.methods.cryogan import CryoGANConfig, HalfConditions
from frazil.methods.cryogan.half import HalfReconstruction
from frazil.nets import ConvCritic
from frazil.physics import (
    ColouredNoise,
    TriangularShifts,
    UniformRotations,
    central_slices,
    crop_centre,
    make_ctf,
    project,
    project_in_real_space,
    to_fourier_volume,
)

STEP_BOXES = (32, 48, 64)
FIELD = 192.0  # side of the images in angstrom


@dataclass(frozen=True)
class Settings:
    boxes: list[int]
    batch: int
    repeats: int
    device: torch.device


@dataclass(frozen=True)
class Section:
    """One table: its title, what its rows were measured on, its header and its rows."""

    title: str
    note: str
    header: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        return f"## {self.title}\n\n{self.note}\n\n{markdown_table(self.header, self.rows)}\n"


def slices(padding: int, margin: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Our slice with other settings than `project` has: padding 2 and margin 2 are those of `form_images`."""

    def apply(volume: Tensor, rotation: Tensor) -> Tensor:
        box = volume.shape[-1]
        spectrum = central_slices(to_fourier_volume(volume, padding), rotation, margin * box)
        return crop_centre(inverse_fourier_transform(spectrum, margin * box), box)

    return apply


def torch_fourier_slice(volume: Tensor, rotation: Tensor) -> Tensor:
    from torch_fourier_slice import project_3d_to_2d

    return project_3d_to_2d(volume, rotation.mT)  # it wants the microscope's frame taken to the particle's


PROJECTORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "torch-fourier-slice, padding 2": torch_fourier_slice,
    "ours, padding 2, no margin": slices(2, 1),
    "ours, padding 2, margin 2 (form_images)": slices(2, 2),
    "ours, padding 3, margin 2 (project)": project,
    "ours, in real space (the tests' oracle)": project_in_real_space,
}


def milliseconds(action: Callable[[], object], settings: Settings) -> float:
    """Fastest of the repeats after one to warm up."""
    return 1e3 * seconds(action, settings.device, settings.repeats)


def projector_rows(box: int, settings: Settings) -> list[list[str]]:
    generator = torch.Generator().manual_seed(0)
    blobs = random_blobs(20, 0.4 * box, generator)
    rotation = random_rotations(settings.batch, generator)
    truth = blob_projections(blobs, rotation, torch.zeros(settings.batch, 2), box, 1.0).to(settings.device)
    volume = blob_volume(blobs, box, 1.0).to(settings.device).requires_grad_()
    rotation, rows, reference = rotation.to(settings.device), [], 0.0
    for name, apply in PROJECTORS.items():
        if apply is project_in_real_space and box > 64:
            continue  # ten seconds a batch, and exact already
        images = apply(volume, rotation)
        error = float((images.detach() - truth).norm() / truth.norm())
        forward = milliseconds(lambda apply=apply: apply(volume, rotation), settings)
        both = milliseconds(lambda apply=apply: apply(volume, rotation).sum().backward(), settings)
        timings = [f"{value:.0f}" for value in (forward, both - forward, both)]
        reference = reference or both
        rows.append([str(box), name, *timings, f"{both / reference:.2f}", f"{error:.4f}"])
        print("  ".join(rows[-1]), flush=True)
    return rows


def measure_projectors(settings: Settings) -> Section:
    note = (
        f"{settings.batch} projections of one volume, float32, forward and backward with respect to the volume, in "
        "milliseconds; error relative to the closed form of 20 Gaussian blobs within 0.4 of the box at random poses. "
        "At equal error our slice is the faster one, so it is used throughout; it also takes odd boxes and float64."
    )
    header = ["box", "projector", "forward", "backward", "both", "of torch-fourier-slice", "error"]
    rows = [row for box in settings.boxes for row in projector_rows(box, settings)]
    return Section("Projectors", note, header, rows)


def white_conditions(box: int, settings: Settings) -> HalfConditions:
    """Conditions of a half with white noise and as many lenses as there are images in a batch."""
    defocus = torch.linspace(10_000, 25_000, settings.batch)
    return HalfConditions(
        rotations=UniformRotations(),
        shifts=TriangularShifts(3.0, FIELD),
        ctf=make_ctf(defocus, defocus),
        noise=ColouredNoise({box: torch.ones(1, box // 2 + 1)}, torch.zeros(settings.batch, dtype=torch.int64)),
        particles=settings.batch,
        field=FIELD,
    )


def half_and_step(box: int, settings: Settings) -> tuple[HalfReconstruction, Callable[[], object]]:
    """A half of the default recipe at a box, and a step of it on images of noise."""
    config = CryoGANConfig(boxes=(box,), steps=(1000,), batch_sizes=(settings.batch,))
    half = HalfReconstruction(config, white_conditions(box, settings), support=Support(0.35 * FIELD, 0.03 * FIELD))
    half.to(settings.device)
    generator = torch.Generator(settings.device).manual_seed(0)
    real = torch.randn(config.critic_steps, settings.batch, box, box, device=settings.device)
    context = StepContext(step=0, seed=0, device=settings.device)
    return half, lambda: half.update(real, context, generator)


def step_row(box: int, settings: Settings) -> list[str]:
    half, action = half_and_step(box, settings)
    config, generator = half.config, torch.Generator(settings.device).manual_seed(0)
    step = milliseconds(action, settings)
    spectrum, all_rows = to_fourier_volume(half.volume()), slice(None)
    images = half.simulate(spectrum, settings.batch, all_rows, generator)
    (stage,) = half.critics
    seen = crop_centre(images, len(stage.image_mask)).detach()
    rotation = random_rotations(settings.batch, torch.Generator().manual_seed(0)).to(settings.device)
    batches, critic = config.critic_steps + 1, stage.critic.requires_grad_(True)
    parts = [
        batches * milliseconds(lambda: half.simulate(spectrum, settings.batch, all_rows, generator), settings),
        2 * config.critic_steps * milliseconds(lambda: critic(seen).sum().backward(), settings),
        config.critic_steps
        * milliseconds(lambda: _penalty(half, critic, seen[:: config.penalty_stride]).backward(), settings),
        batches * milliseconds(lambda: torch_fourier_slice(half.volume(), rotation), settings),
    ]
    row = [str(box), *(f"{value:.0f}" for value in (step, *parts)), f"{settings.batch * batches / step * 1e3:.0f}"]
    print("  ".join(row), flush=True)
    return row


def _penalty(half: HalfReconstruction, critic: ConvCritic, seen: torch.Tensor) -> torch.Tensor:
    """As if real and simulated images were the same; where between them it is taken costs nothing."""
    return ADVERSARIES[half.config.adversary].penalty(critic, seen, seen, torch.ones_like(seen[:, 0, 0]))


def measure_steps(settings: Settings) -> Section:
    note = (
        f"One step of one half of CryoGAN by the default recipe, batches of {settings.batch}: four updates of the "
        "critic and one of the volume, in milliseconds; what its parts take when run alone, and what only the "
        "projections of as many images would take with torch-fourier-slice, which transforms the volume for each "
        "batch. The critic is the cost."
    )
    header = ["box", "step", "simulating", "critic", "penalty", "(torch-fourier-slice)", "images simulated a second"]
    return Section("CryoGAN's step", note, header, [step_row(box, settings) for box in STEP_BOXES])


def floor_row(box: int, settings: Settings, given: Ceiling) -> list[str]:
    _, action = half_and_step(box, settings)
    step, asked = milliseconds(action, settings), work(action)
    arithmetic = 1e3 * asked.flops / given.flops_per_second
    traffic = 1e3 * asked.bytes / given.bytes_per_second
    amounts = [f"{asked.flops / 1e9:.1f}", f"{arithmetic:.0f}", f"{asked.bytes / 1e9:.2f}", f"{traffic:.0f}"]
    row = [str(box), f"{step:.0f}", *amounts, f"{step / max(arithmetic, traffic):.1f}"]
    print("  ".join(row), flush=True)
    return row


def measure_floor(settings: Settings) -> Section:
    given = ceiling(settings.device)
    note = (
        f"The same step against what the machine gives, measured here: {given.flops_per_second / 1e9:.0f} GFLOP/s in a "
        f"product of large matrices in single precision, {given.bytes_per_second / 1e9:.1f} GB/s in a large copy. "
        "Arithmetic is that of the convolutions and matrix products; traffic what all operations read and write, if no "
        "cache helps. The last column is the step over the larger of the two times."
    )
    header = ["box", "step, ms", "GFLOP", "at that speed, ms", "GB", "at that speed, ms", "step / floor"]
    return Section("The floor", note, header, [floor_row(box, settings, given) for box in STEP_BOXES])


# A section is a function from settings to a table; each is measured and written in this order.
SECTIONS: list[Callable[[Settings], Section]] = [measure_projectors, measure_steps, measure_floor]


def report(settings: Settings, sections: list[Section]) -> str:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread(s), {settings.device}"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "torch-fourier-slice"))
    head = f"{heading('Speed', settings.device)}\n{machine}; {libraries}.\n"
    return "\n".join([head, *(section.markdown() for section in sections)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = Settings(options.boxes, options.batch, options.repeats, options.device)
    text = report(settings, [measure(settings) for measure in SECTIONS])
    print(f"\n{text}\n{write_results('speed', settings.device, text)}")


if __name__ == "__main__":
    main()
