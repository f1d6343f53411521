"""The noise of a data set, measured beside its particles, micrograph by micrograph."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from frazil.data import Particles, open_particles, surrounding_noise, surroundings
from frazil.geometry import centred_coordinates, hermitian_weight, shell_index
from frazil.io import StackWriter
from frazil.physics import colour_noise, radial_power, white_noise

BOX, PIXEL_SIZE, MANY = 32, 4.0, 200


def falling(box: int) -> Tensor:
    """Power that falls eightfold from coarse to fine, as ice and embedded solvent make it."""
    return 0.2 + 1.4 * torch.exp(-torch.arange(box // 2 + 1) / (0.15 * box))


def rising(box: int) -> Tensor:
    """Power that doubles from coarse to fine, as a whitened micrograph's."""
    return 1 + torch.arange(box // 2 + 1) / (box // 2)


def scaled(power: Tensor, box: int = BOX) -> Tensor:
    """The same spectrum for noise of variance 1."""
    shell = shell_index(box).clamp(max=box // 2)
    return power / ((power[shell] * hermitian_weight(box)).sum() / box**2)


@pytest.fixture
def particles(tmp_path: Path) -> Callable[..., Particles]:
    """Particles of the given images on the given micrographs, or on none."""

    def make(images: Tensor, micrographs: Sequence[str] | None = None, radius: float | None = None) -> Particles:
        box = images.shape[-1]
        with StackWriter(tmp_path / "stack.mrcs", len(images), box, PIXEL_SIZE) as stack:
            stack.write(images.numpy())
        table = pd.DataFrame({"rlnImageName": [f"{place + 1}@stack.mrcs" for place in range(len(images))]})
        if micrographs is not None:
            table["rlnMicrographName"] = list(micrographs)
        header = "".join(f"_{name}\n" for name in table)
        rows = "".join(" ".join(row) + "\n" for row in table.itertuples(index=False))
        (tmp_path / "particles.star").write_text(f"data_\n\nloop_\n{header}{rows}")
        return open_particles(tmp_path / "particles.star", contrast="light", radius=radius)

    return make


def noise(count: int, power: Tensor, box: int = BOX) -> Tensor:
    return colour_noise(white_noise((count, box, box), torch.Generator().manual_seed(count)), power)


def two_micrographs(brightness: float = 0.0) -> tuple[Tensor, list[str]]:
    """Taking turns: a falling spectrum on a.mrc, a rising one, three times as loud, on b.mrc; and their names."""
    images = torch.stack([noise(MANY, falling(BOX)), 3 * noise(MANY, rising(BOX))], dim=1).flatten(0, 1)
    radius = centred_coordinates(BOX, 2).norm(dim=-1) / (0.3 * BOX)
    particle = brightness * (1 - radius.square()).clamp(min=0)
    return images + particle, ["a.mrc", "b.mrc"] * MANY


def test_each_micrograph_gets_its_own_spectrum_back(particles: Callable[..., Particles]) -> None:
    model = surrounding_noise(particles(*two_micrographs()), (BOX,))
    assert model.power[BOX].shape == (2, BOX // 2 + 1)
    for own, shape in enumerate((falling, rising)):
        measured, expected = model.power[BOX][model.group[own]], scaled(shape(BOX))
        # Shell 2 is known to 4 % from these images; the circle's hole smears shells over their neighbours.
        torch.testing.assert_close(measured[2:], expected[2:], rtol=0.12, atol=0)
    assert model.group.tolist() == [int(model.group[0]), int(model.group[1])] * MANY


def test_noise_made_from_the_measured_spectrum_has_it_again(particles: Callable[..., Particles]) -> None:
    model = surrounding_noise(particles(*two_micrographs()), (BOX,))
    for own, shape in enumerate((falling, rising)):
        made = model.sample(torch.full((400,), own), BOX, torch.Generator().manual_seed(0))
        torch.testing.assert_close(radial_power(made)[2:], scaled(shape(BOX))[2:], rtol=0.12, atol=0)
        # Its mean is taken off, so it falls short of variance 1 by the power at zero frequency.
        assert 0.9 < float(made.var()) < 1.05


def test_a_particle_inside_the_radius_does_not_disturb_the_spectrum(particles: Callable[..., Particles]) -> None:
    without = surrounding_noise(particles(*two_micrographs()), (BOX, 20))
    bright = surrounding_noise(particles(*two_micrographs(brightness=10.0)), (BOX, 20))
    torch.testing.assert_close(bright.power[BOX], without.power[BOX], rtol=1e-3, atol=1e-4)
    # Cropping lets the particle's fine detail ring beyond the circle.
    torch.testing.assert_close(bright.power[20], without.power[20], rtol=0.05, atol=0.01)


def test_a_cropped_spectrum_is_the_coarse_part_of_the_whole_one(particles: Callable[..., Particles]) -> None:
    """Images keep unit background at every box, so only the scale changes."""
    model = surrounding_noise(particles(*two_micrographs()), (20, BOX))
    group = model.group[0]
    expected = scaled(falling(BOX)[:11], 20)
    torch.testing.assert_close(model.power[20][group][2:9], expected[2:9], rtol=0.15, atol=0)


def test_the_radius_of_the_particles_says_where_the_surroundings_begin(particles: Callable[..., Particles]) -> None:
    """A bright ring counts as noise where the particle is said to be smaller than it."""
    distance = centred_coordinates(BOX, 2).norm(dim=-1)
    ring = 3.0 * ((distance > 8) & (distance < 11))
    images = noise(100, torch.ones(BOX // 2 + 1)) + ring
    seen = surrounding_noise(particles(images, radius=7 * PIXEL_SIZE), (BOX,)).power[BOX][0]
    hidden = surrounding_noise(particles(images, radius=12 * PIXEL_SIZE), (BOX,)).power[BOX][0]
    torch.testing.assert_close(hidden[2:], torch.ones(BOX // 2 - 1), rtol=0.2, atol=0)
    assert (seen - hidden).abs().max() > 1


def test_neighbours_are_no_background(particles: Callable[..., Particles]) -> None:
    """Bright discs that would count as noise do not where they are said to be."""
    count, radius = 120, 7 * PIXEL_SIZE
    angle = torch.linspace(0, 6, count)
    neighbours = 13 * PIXEL_SIZE * torch.stack([angle.cos(), angle.sin()], -1)[:, None]
    pixels = centred_coordinates(BOX, 2) * PIXEL_SIZE
    discs = 4.0 * ((pixels - neighbours[:, :, None]).norm(dim=-1) < radius)
    images = particles(noise(count, torch.ones(BOX // 2 + 1)) + discs, radius=radius)
    taken_for_noise, known = (surrounding_noise(images, (BOX,), near).power[BOX][0] for near in (None, neighbours))
    torch.testing.assert_close(known[2:] / known[8:].mean(), torch.ones(BOX // 2 - 1), rtol=0.25, atol=0)
    assert taken_for_noise[2] > 5 * known[2]


def test_images_without_background_between_neighbours_are_left_out_while_others_have_some(
    particles: Callable[..., Particles],
) -> None:
    hidden = torch.tensor([[x, y] for x in (-50.0, 0, 50) for y in (-50.0, 0, 50)])
    images = particles(noise(60, torch.ones(BOX // 2 + 1)), radius=48.0)
    near = torch.full((60, 9, 2), torch.inf)
    alone = surrounding_noise(images.select(range(30, 60)), (BOX,)).power[BOX]
    near[:30] = hidden
    torch.testing.assert_close(surrounding_noise(images, (BOX,), near).power[BOX], alone)
    everywhere = surrounding_noise(images, (BOX,), hidden.expand(60, 9, 2))
    assert torch.isfinite(everywhere.power[BOX]).all()


def test_micrographs_with_few_particles_share_a_spectrum(particles: Callable[..., Particles]) -> None:
    micrographs = ["c.mrc"] * 30 + ["a.mrc"] * 60 + ["b.mrc"] * 20 + ["d.mrc"] * 50
    images = noise(len(micrographs), torch.ones(BOX // 2 + 1))
    model = surrounding_noise(particles(images, micrographs), (BOX,))
    own = {name: {int(group) for group, other in zip(model.group, micrographs, strict=True) if other == name}
           for name in set(micrographs)}  # fmt: skip
    assert all(len(groups) == 1 for groups in own.values())
    assert own["c.mrc"] == own["b.mrc"]
    assert len({*own["a.mrc"], *own["c.mrc"], *own["d.mrc"]}) == 3
    assert len(model.power[BOX]) == 3


@pytest.mark.parametrize("micrographs", [None, ["a.mrc"] * 60, [f"{n}.mrc" for n in range(60)]])
def test_without_several_large_micrographs_there_is_one_spectrum(
    particles: Callable[..., Particles], micrographs: list[str] | None
) -> None:
    model = surrounding_noise(particles(noise(60, torch.ones(BOX // 2 + 1)), micrographs), (BOX,))
    assert len(model.power[BOX]) == 1
    assert (model.group == 0).all()


def test_of_many_images_only_some_are_read_and_never_all_at_once(
    particles: Callable[..., Particles], monkeypatch: pytest.MonkeyPatch
) -> None:
    from frazil.data import particles as module

    monkeypatch.setattr(surroundings, "_SAMPLE", 40)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 4 * BOX**2 * 16)
    asked: list[int] = []
    original = Particles.images

    def watched(self: Particles, rows: Sequence[int], box: int | None = None) -> Tensor:
        asked.append(len(rows))
        return original(self, rows, box)

    monkeypatch.setattr(Particles, "images", watched)
    surrounding_noise(particles(noise(100, torch.ones(BOX // 2 + 1))), (BOX,))
    assert sum(asked) == 40
    assert max(asked) <= 16


def test_the_sample_is_taken_from_all_over_the_table(
    particles: Callable[..., Particles], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Particles stand in the order of their micrographs: the first ones alone would speak for the first micrograph."""
    monkeypatch.setattr(surroundings, "_SAMPLE", 40)
    images = torch.cat([noise(50, falling(BOX)), noise(50, rising(BOX))])
    power = surrounding_noise(particles(images[:99]), (BOX,)).power[BOX][0]
    expected = (scaled(falling(BOX)) + scaled(rising(BOX))) / 2
    torch.testing.assert_close(power[2:], expected[2:], rtol=0.3, atol=0)


def test_measured_spectra_are_the_same_each_time(particles: Callable[..., Particles]) -> None:
    whole = particles(*two_micrographs())
    one, other = (surrounding_noise(whole, (BOX,)).power[BOX] for _ in range(2))
    assert torch.equal(one, other)
    assert not np.isnan(one.numpy()).any()
