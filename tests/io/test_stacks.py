"""Stacks, read and written a few images at a time."""

import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from frazil.io import ImageStack, StackWriter

NUMBERS = np.arange(4 * 5 * 5).reshape(4, 5, 5)


def test_images_come_in_the_order_asked_for(stack: Callable[..., Path]) -> None:
    images = ImageStack(stack(NUMBERS.astype(np.float32)))
    assert (len(images), images.box, images.pixel_size) == (4, 5, 1.5)
    np.testing.assert_array_equal(images.read([2, 0, 2]), NUMBERS[[2, 0, 2]])


@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f2", "f4", ">i2", ">f4"])
def test_every_mode_is_read_as_float32(stack: Callable[..., Path], dtype: str) -> None:
    read = ImageStack(stack(NUMBERS.astype(dtype))).read([0, 3])
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, NUMBERS[[0, 3]])


@pytest.mark.parametrize("suffix", [".gz", ".bz2"])
def test_packed_stacks_are_read(stack: Callable[..., Path], suffix: str) -> None:
    images = ImageStack(stack(NUMBERS.astype(np.float32), "stack.mrcs" + suffix))
    np.testing.assert_array_equal(images.read([3, 1]), NUMBERS[[3, 1]])
    np.testing.assert_array_equal(images.read([0]), NUMBERS[[0]])


def test_a_stack_with_an_extended_header_is_read(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "stack.mrcs", NUMBERS.astype(np.float32)) as mrc:
        mrc.set_extended_header(np.zeros(80, "V1"))
    np.testing.assert_array_equal(ImageStack(tmp_path / "stack.mrcs").read([1]), NUMBERS[[1]])


def test_ten_images_of_a_large_stack_take_the_memory_of_ten_images(tmp_path: Path) -> None:
    path, count, box = tmp_path / "large.mrcs", 20_000, 256
    with mrcfile.new(path, np.zeros((1, box, box), np.float32)) as mrc:
        mrc.header.nz = count
    with open(path, "r+b") as file:
        file.truncate(1024 + 4 * count * box**2)  # 5 GB of zeros that take no room on the disk
    tracemalloc.start()
    images = ImageStack(path).read(np.random.randint(0, count, 10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert images.shape == (10, box, box)
    assert peak < 2.5 * images.nbytes


def test_a_stack_can_be_sent_to_a_worker(stack: Callable[..., Path]) -> None:
    images = ImageStack(stack(NUMBERS.astype(np.float32), "stack.mrcs.gz"))
    images.read([0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(images)).read([1]), NUMBERS[[1]])


def test_a_truncated_stack_is_refused(stack: Callable[..., Path]) -> None:
    path = stack(NUMBERS.astype(np.float32))
    path.write_bytes(path.read_bytes()[:-150])
    message = (
        r"stack\.mrcs is truncated: its header says 4 images of 5 x 5 pixels \(1424 bytes\), but it has 1274"
        r" bytes and holds 2"
    )
    with pytest.raises(ValueError, match=message):
        ImageStack(path)


@pytest.mark.parametrize("suffix", [".gz", ".bz2"])
def test_a_truncated_packed_stack_is_refused(stack: Callable[..., Path], suffix: str) -> None:
    path = stack(np.random.rand(40, 50, 50).astype(np.float32), "stack.mrcs" + suffix)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(OSError, match=r"stack\.mrcs\.\w+ could not be (unpacked|read)"):
        ImageStack(path).read([0])


def test_a_packed_stack_shorter_than_its_header_is_refused(tmp_path: Path, stack: Callable[..., Path]) -> None:
    import gzip

    plain = stack(NUMBERS.astype(np.float32)).read_bytes()
    (tmp_path / "short.mrcs.gz").write_bytes(gzip.compress(plain[:-150]))
    with pytest.raises(ValueError, match=r"short\.mrcs\.gz is truncated"):
        ImageStack(tmp_path / "short.mrcs.gz").read([0])


def test_images_that_are_not_square_are_refused(stack: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"stack\.mrcs: images are 6 x 5 pixels, but .* must be square"):
        ImageStack(stack(np.zeros((3, 5, 6), np.float32)))


def test_an_image_beyond_the_stack_is_refused(stack: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"stack\.mrcs: image 5 was asked for, but it holds 4"):
        ImageStack(stack(NUMBERS.astype(np.float32))).read([0, 4])


def test_a_stack_written_in_batches_is_valid_to_mrcfile(tmp_path: Path) -> None:
    path, images = tmp_path / "stack.mrcs", np.random.rand(7, 6, 6).astype(np.float32)
    with StackWriter(path, 7, 6, 3.8) as writer:
        writer.write(images[:4])
        writer.write(images[4:])
        assert not path.exists()
    assert mrcfile.validate(path)
    with mrcfile.open(path) as mrc:
        assert mrc.is_image_stack()
        assert mrc.voxel_size.x == pytest.approx(3.8)
        assert mrc.header.rms == pytest.approx(images.std(), rel=1e-5)
        np.testing.assert_array_equal(mrc.data, images)


def test_a_stack_without_all_its_images_does_not_appear(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"stack\.mrcs: 1 images written, but 3 announced"),
        StackWriter(tmp_path / "stack.mrcs", 3, 4, 1.0) as writer,
    ):
        writer.write(np.ones((1, 4, 4)))
    assert not list(tmp_path.iterdir())


def test_images_of_another_size_are_not_written(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"got images of shape \(1, 5, 5\), not \(batch, 4, 4\)"),
        StackWriter(tmp_path / "stack.mrcs", 3, 4, 1.0) as writer,
    ):
        writer.write(np.ones((1, 5, 5)))
    assert not list(tmp_path.iterdir())


@pytest.mark.data
def test_a_real_stack_of_half_precision_tilts_is_read(shared_data: Path) -> None:
    folder = shared_data / "ribosome_tilts_warptools" / "warptools_test_4-tomos_10-ptcls_box-32_angpix-12"
    stacks = [ImageStack(path) for path in sorted(folder.rglob("*.mrcs"))]
    assert len(stacks) == 40
    assert {(len(stack), stack.box, stack.pixel_size) for stack in stacks} == {(37, 32, 12.0)}
    assert all(np.isfinite(stack.read(range(37))).all() for stack in stacks)
