"""Particle images as the methods get them."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch

from frazil.data import background_ring, open_particles
from frazil.io import StackWriter

BOX, PIXEL_SIZE = 16, 2.0
HEAD = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnVoltage #2
_rlnSphericalAberration #3
_rlnAmplitudeContrast #4
_rlnImagePixelSize #5
1 300 2.7 0.1 2.0

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnDefocusV #4
_rlnDefocusAngle #5
"""

Data = Callable[..., Path]


def write_stack(path: Path, images: np.ndarray, pixel_size: float = PIXEL_SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with StackWriter(path, len(images), images.shape[-1], pixel_size) as writer:
        writer.write(images)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.randn(12, BOX, BOX).astype(np.float32) * 7 + 10_000


@pytest.fixture
def data(tmp_path: Path, images: np.ndarray) -> Data:
    """A STAR file and its stack a.mrcs of 12 noise images; `rows` are image names."""
    write_stack(tmp_path / "a.mrcs", images)

    def write(rows: list[str] | None = None, head: str = HEAD) -> Path:
        rows = [f"{place}@a.mrcs" for place in range(1, 13)] if rows is None else rows
        path = tmp_path / "x.star"
        path.write_text(head + "".join(f"{row} 1 15000 14000 30\n" for row in rows))
        return path

    return write


def refusal(path: Path, contrast: str = "dark", radius: float | None = None) -> str:
    """The one sentence with which the data set is refused, on opening or on reading its images."""
    with pytest.raises((ValueError, OSError)) as error:
        open_particles(path, contrast, radius).load()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_background_has_mean_0_and_deviation_1_in_every_image_at_every_box(data: Data) -> None:
    particles = open_particles(data(), "light")
    for box in (16, 12, 9):
        ring = background_ring(box, particles.pixel_size(box), particles.radius)
        background = particles.images([0, 5], box)[:, ring]
        torch.testing.assert_close(background.mean(1), torch.zeros(2), atol=1e-5, rtol=0)
        torch.testing.assert_close(background.std(1), torch.ones(2), atol=1e-5, rtol=0)


def test_dark_protein_is_turned_positive(data: Data) -> None:
    path = data()
    torch.testing.assert_close(open_particles(path, "dark").load(), -open_particles(path, "light").load())


def test_at_the_full_box_only_scale_and_offset_change(data: Data, images: np.ndarray) -> None:
    read = open_particles(data(), "light").load()[3].flatten().numpy()
    assert np.corrcoef(read, images[3].flatten())[0, 1] == pytest.approx(1, abs=1e-6)


def test_the_pixel_size_grows_as_the_box_shrinks(data: Data) -> None:
    particles = open_particles(data(), "dark")
    assert (particles.box, particles.pixel_size(), particles.pixel_size(8)) == (16, 2.0, 4.0)


def test_rows_of_many_stacks_come_in_the_order_asked_for(data: Data, tmp_path: Path, images: np.ndarray) -> None:
    write_stack(tmp_path / "sub" / "b.mrcs", images[::-1])
    particles = open_particles(data(["1@a.mrcs", "12@sub/b.mrcs", "2@a.mrcs", "1@sub/b.mrcs"]), "dark")
    first, same, other = particles.images([1, 0, 3])
    torch.testing.assert_close(first, same)  # image 12 of b is image 1 of a
    torch.testing.assert_close(other, open_particles(data(["12@a.mrcs"]), "dark").load()[0])
    torch.testing.assert_close(particles.select([3, 1]).load(), particles.images([3, 1]))


def test_loading_in_chunks_equals_reading_at_once(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    particles = open_particles(data(), "dark")
    whole = particles.images(range(12), 8)
    monkeypatch.setattr("frazil.data.particles._CHUNK_BYTES", 5 * 4 * BOX**2)
    torch.testing.assert_close(particles.load(8), whole)


def test_loading_cropped_takes_the_memory_of_the_cropped(tmp_path: Path) -> None:
    count, box = 1500, 128
    path = tmp_path / "large.mrcs"
    with StackWriter(path, count, box, PIXEL_SIZE) as writer:
        for _ in range(count // 100):
            writer.write(np.random.rand(100, box, box).astype(np.float32))
    (tmp_path / "x.star").write_text(HEAD + "".join(f"{i + 1}@large.mrcs 1 1 1 1\n" for i in range(count)))
    particles = open_particles(tmp_path / "x.star", "dark")
    tracemalloc.start()
    particles.load(16)
    peak = tracemalloc.get_traced_memory()[1]  # NumPy's arrays, of which the chunks read are the largest
    tracemalloc.stop()
    assert peak < 2.5 * 2**26 < 2.5 * path.stat().st_size


def test_the_ctf_follows_the_rows(data: Data) -> None:
    ctf = open_particles(data(), "dark").select([2, 5, 7]).ctf
    assert len(ctf) == 3
    assert [float(value[0]) for value in (ctf.defocus_u, ctf.defocus_v, ctf.astigmatism_deg)] == [15000, 14000, 30]
    assert [round(float(value[0]), 4) for value in (ctf.voltage_kv, ctf.cs_mm, ctf.amplitude_contrast)] == [
        300,
        2.7,
        0.1,
    ]
    assert [float(value[0]) for value in (ctf.phase_shift_deg, ctf.b_factor)] == [0, 0]


def test_a_table_without_angles_gives_no_pose(data: Data) -> None:
    assert open_particles(data(), "dark").pose is None


def test_half_sets_of_the_table_are_kept(data: Data) -> None:
    head = HEAD.replace("_rlnDefocusAngle #5", "_rlnDefocusAngle #5\n_rlnRandomSubset #6")
    path = data([], head)
    path.write_text(path.read_text() + "".join(f"{i}@a.mrcs 1 15000 14000 30 {1 + (i > 4)}\n" for i in range(1, 7)))
    assert open_particles(path, "dark").half_sets(seed=3).tolist() == [1, 1, 1, 1, 2, 2]


def test_half_sets_drawn_by_seed_are_even_and_the_same_again(data: Data) -> None:
    particles = open_particles(data(), "dark")
    first = particles.half_sets(seed=3)
    assert sorted(first) == [1] * 6 + [2] * 6
    assert first.tolist() == particles.half_sets(seed=3).tolist()
    assert first.tolist() != particles.half_sets(seed=4).tolist()


@pytest.mark.parametrize(
    ("half", "why"),
    [
        ([0, 2, 2], r"x\.star: rlnRandomSubset holds 0, 2, not 1 and 2"),
        ([1, 2, 2], r"rows 1 and 3 name the same image, 1@a\.mrcs, and rlnRandomSubset"),
    ],
)
def test_half_sets_that_are_not_two_or_share_an_image_are_refused(data: Data, half: list[int], why: str) -> None:
    path = data([], HEAD.replace("_rlnDefocusAngle #5", "_rlnDefocusAngle #5\n_rlnRandomSubset #6"))
    path.write_text(path.read_text() + "1@a.mrcs 1 1 1 1 {}\n2@a.mrcs 1 1 1 1 {}\n1@a.mrcs 1 1 1 1 {}\n".format(*half))
    with pytest.raises(ValueError, match=why):
        open_particles(path, "dark").half_sets(seed=3)


def test_rows_may_share_an_image_as_after_symmetry_expansion_in_one_half_set(data: Data) -> None:
    particles = open_particles(data(["7@a.mrcs", "2@a.mrcs", "7@a.mrcs", "3@a.mrcs"] * 5), "dark")
    assert len(particles.load()) == 20
    half = particles.half_sets(seed=3).reshape(5, 4)
    assert (half == half[0, [0, 1, 0, 3]]).all()


def test_fewer_rows_than_images_are_a_selection(data: Data) -> None:
    assert len(open_particles(data(["7@a.mrcs"]), "dark")) == 1


def test_a_missing_stack_is_named_with_its_row(data: Data) -> None:
    said = refusal(data(["1@a.mrcs", "2@gone/b.mrcs", "1@gone/a.mrcs"]))
    assert "x.star, row 2: stack gone/b.mrcs is missing (2 of 3 stacks are; looked in" in said


def test_a_truncated_stack_is_named_with_what_it_holds(data: Data, tmp_path: Path) -> None:
    stack = tmp_path / "a.mrcs"
    stack.write_bytes(stack.read_bytes()[:-BOX])
    assert "a.mrcs is truncated: its header says 12 images of 16 x 16 pixels" in refusal(data())


def test_more_rows_than_images_are_refused_with_both_counts(data: Data, tmp_path: Path) -> None:
    said = refusal(data([f"{place}@a.mrcs" for place in range(1, 16)]))
    assert said == f"{tmp_path}/x.star: 15 rows, but {tmp_path}/a.mrcs holds 12 images"


def test_an_image_beyond_its_stack_is_named_with_its_row(data: Data, tmp_path: Path) -> None:
    said = refusal(data(["1@a.mrcs", "13@a.mrcs"]))
    assert said == f"{tmp_path}/x.star, row 2: image 13 of {tmp_path}/a.mrcs, which holds 12"


def test_a_name_that_does_not_say_which_image_is_refused(data: Data) -> None:
    assert "row 2: rlnImageName does not say which of the 12 images of a.mrcs" in refusal(data(["1@a.mrcs", "a.mrcs"]))


def test_two_pixel_sizes_of_optics_groups_are_refused(data: Data) -> None:
    path = data(head=HEAD.replace("1 300 2.7 0.1 2.0", "1 300 2.7 0.1 2.0\n2 300 2.7 0.1 2.2"))
    path.write_text(path.read_text().replace("5@a.mrcs 1", "5@a.mrcs 2", 1))
    assert "two pixel sizes: 2 angstrom in row 1, 2.2 angstrom in row 5;" in refusal(path)


def test_a_pixel_size_that_differs_from_the_stacks_is_refused(data: Data) -> None:
    said = refusal(data(head=HEAD.replace("0.1 2.0", "0.1 4.0")))
    assert said.startswith("two pixel sizes: 4 angstrom by ")
    assert "but 2 by the header of " in said


@pytest.mark.parametrize("header", [0.0, 1.0, 2.01])
def test_the_tables_pixel_size_wins_over_a_header_that_says_nothing(
    data: Data, tmp_path: Path, images: np.ndarray, header: float
) -> None:
    write_stack(tmp_path / "a.mrcs", images, header)
    assert open_particles(data(), "dark").pixel_size() == 2.0


def test_the_stacks_pixel_size_serves_where_the_table_has_none(data: Data) -> None:
    head = HEAD.replace("_rlnImagePixelSize #5\n", "").replace("0.1 2.0", "0.1")
    assert open_particles(data(head=head), "dark").pixel_size() == 2.0


def test_no_pixel_size_at_all_is_refused(data: Data, tmp_path: Path, images: np.ndarray) -> None:
    write_stack(tmp_path / "a.mrcs", images, 0.0)
    head = HEAD.replace("_rlnImagePixelSize #5\n", "").replace("0.1 2.0", "0.1")
    assert "x.star has no pixel size" in refusal(data(head=head))


def test_two_image_sizes_are_refused(data: Data, tmp_path: Path) -> None:
    write_stack(tmp_path / "b.mrcs", np.random.rand(2, 20, 20))
    said = refusal(data(["1@a.mrcs", "1@b.mrcs"]))
    assert said == f"{tmp_path}/a.mrcs has images of 16 pixels, but those of {tmp_path}/b.mrcs have 20"


def test_an_image_size_that_differs_from_the_stacks_is_refused(data: Data, tmp_path: Path) -> None:
    head = HEAD.replace("_rlnImagePixelSize #5", "_rlnImagePixelSize #5\n_rlnImageSize #6").replace("2.0", "2.0 32")
    said = refusal(data(head=head))
    assert said == f"{tmp_path}/x.star says images of 32 pixels, but those of {tmp_path}/a.mrcs have 16"


def test_every_file_that_the_images_come_from_has_a_fingerprint(data: Data, tmp_path: Path) -> None:
    write_stack(tmp_path / "b.mrcs", np.random.rand(2, BOX, BOX))
    particles = open_particles(data(["1@a.mrcs", "1@b.mrcs"]), "dark")
    before = particles.fingerprints()
    assert list(before) == [tmp_path / name for name in ("x.star", "a.mrcs", "b.mrcs")]
    write_stack(tmp_path / "b.mrcs", np.random.rand(2, BOX, BOX))
    after = particles.fingerprints()
    assert [path.name for path in before if before[path] != after[path]] == ["b.mrcs"]


def test_missing_ctf_columns_are_named_and_no_ctf_is_offered(data: Data) -> None:
    particles = open_particles(data(head=HEAD.replace("_rlnDefocusV", "_rlnSomething")), "dark")
    with pytest.raises(ValueError, match=r"x\.star has no CTF: column rlnDefocusV is missing; add it, or leave"):
        _ = particles.ctf


def test_images_that_are_not_square_are_refused(data: Data, tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrcs", np.zeros((12, 16, 18), np.float32), overwrite=True):
        pass
    assert "a.mrcs: images are 18 x 16 pixels, but particle images must be square" in refusal(data())


@pytest.mark.parametrize(
    ("value", "why"),
    [(np.nan, "holds NaN or infinite values"), (np.inf, "holds NaN or infinite values"), (3.0, "is constant")],
)
def test_a_broken_image_is_named(data: Data, tmp_path: Path, images: np.ndarray, value: float, why: str) -> None:
    images[7] = value
    write_stack(tmp_path / "a.mrcs", images)
    assert refusal(data()) == f"{tmp_path}/x.star: image 8@a.mrcs {why}"
    assert torch.isfinite(open_particles(data(), "dark").images([6, 8])).all()


def test_a_masked_image_has_no_background_to_go_by(data: Data, tmp_path: Path, images: np.ndarray) -> None:
    images[4] = np.where(background_ring(BOX, PIXEL_SIZE, 10.0).numpy(), 5.0, images[4])
    write_stack(tmp_path / "a.mrcs", images)
    assert "image 5@a.mrcs is flat beyond 12 angstrom from its centre" in refusal(data())


def test_a_box_larger_than_the_images_is_refused(data: Data) -> None:
    with pytest.raises(ValueError, match=r"x\.star: box 32 is larger than its images, 16 pixels"):
        open_particles(data(), "dark").images([0], 32)


@pytest.mark.parametrize("radius", [16.0, 0.0])
def test_a_radius_that_leaves_no_background_is_refused(data: Data, radius: float) -> None:
    assert f"no particle of {2 * radius:g} angstrom in diameter has room in a box of 32" in refusal(
        data(), radius=radius
    )
