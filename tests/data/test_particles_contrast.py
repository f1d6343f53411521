"""Whether protein is dark or light is measured, and refused where it cannot be."""

from pathlib import Path

import numpy as np
import pytest
import torch

from frazil.data import contrast_sign, open_particles
from frazil.data.phantoms import pseudo_protein
from frazil.geometry import Pose, random_rotations
from frazil.io import ImageStack, StackWriter
from frazil.physics import CTF, form_images, make_ctf

BOX, PIXEL_SIZE, RADIUS = 32, 6.0, 72.0


def defocused(count: int, generator: torch.Generator) -> CTF:
    return make_ctf(10_000 + 15_000 * torch.rand(count, generator=generator))


def hollow_shell() -> torch.Tensor:
    """A shell 40 to 60 angstrom from its centre, like apoferritin's."""
    axis = (torch.arange(BOX) - BOX // 2) * PIXEL_SIZE
    radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    return ((radius > 40) & (radius < 60)).float()


def particle_images(volume: torch.Tensor, ctf: CTF, generator: torch.Generator, noise: float) -> torch.Tensor:
    """Noisy images of a volume, shifted by a few pixels, normalised roughly."""
    count = len(ctf)
    pose = Pose(random_rotations(count, generator), 6.0 * torch.randn(count, 2, generator=generator))
    clean = form_images(volume, pose, ctf, PIXEL_SIZE)
    clean = clean / clean.std()
    return clean / noise + torch.randn(clean.shape, generator=generator)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("shape", ["shell", "pseudo-protein"])
def test_the_sign_of_simulated_particles_is_found_at_real_noise(sign: float, shape: str) -> None:
    generator = torch.Generator().manual_seed(5)
    volume = hollow_shell() if shape == "shell" else pseudo_protein(BOX, PIXEL_SIZE)
    ctf = defocused(300, generator)
    images = particle_images(volume, ctf, generator, noise=2.0)
    assert contrast_sign(sign * images, ctf, PIXEL_SIZE, RADIUS) == sign


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_has_no_sign(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(300, BOX, BOX, generator=generator)
    assert contrast_sign(images, defocused(300, generator), PIXEL_SIZE, RADIUS) is None


def write_data(folder: Path, images: np.ndarray) -> Path:
    with StackWriter(folder / "a.mrcs", len(images), images.shape[-1], PIXEL_SIZE) as writer:
        writer.write(images)
    head = "data_\nloop_\n_rlnImageName\n_rlnImagePixelSize\n"
    (folder / "x.star").write_text(head + "".join(f"{i + 1}@a.mrcs {PIXEL_SIZE}\n" for i in range(len(images))))
    return folder / "x.star"


@pytest.mark.parametrize("count", [5, 200])
def test_contrast_that_cannot_be_told_is_refused_in_one_sentence(tmp_path: Path, count: int) -> None:
    path = write_data(tmp_path, np.random.randn(count, BOX, BOX))
    said = (
        rf"x\.star: {count} images do not tell whether protein is dark or light;"
        " give --contrast dark or --contrast light"
    )
    with pytest.raises(ValueError, match=said):
        open_particles(path, "auto")


def test_images_without_a_ctf_are_measured_as_they_are(tmp_path: Path) -> None:
    axis = torch.arange(BOX) - BOX // 2
    blob = torch.exp(-(axis[:, None] ** 2 + axis**2) / 50)
    path = write_data(tmp_path, (torch.randn(200, BOX, BOX) - blob).numpy())
    assert open_particles(path, "auto").sign == -1


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["apoferritin_empiar10146/particles.star", "betagal_empiar10061/betagal_particles_192.star"]
)
def test_real_raw_particles_are_dark(shared_data: Path, name: str) -> None:
    assert open_particles(shared_data / name, "auto").sign == -1


@pytest.mark.data
def test_real_background_has_no_sign(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "betagal_empiar10061"
    text = (folder / "betagal_particles_192.star").read_text()
    (tmp_path / "x.star").write_text(text.replace("@betagal_particles_192", f"@{folder}/betagal_background_192"))
    assert len(ImageStack(folder / "betagal_background_192.mrcs")) == 101
    with pytest.raises(ValueError, match=r"x\.star: 101 images do not tell whether"):
        open_particles(tmp_path / "x.star", "auto")
