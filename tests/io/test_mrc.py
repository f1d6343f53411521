"""Maps and headers."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch

from frazil.io import read_map, write_map


@pytest.fixture
def volume() -> torch.Tensor:
    return torch.randn(5, 6, 7)


def test_a_written_map_comes_back_with_its_voxel_size(tmp_path: Path, volume: torch.Tensor) -> None:
    write_map(tmp_path / "map.mrc", volume, 3.54)
    read = read_map(tmp_path / "map.mrc")
    assert torch.equal(read.volume, volume)
    assert read.pixel_size == pytest.approx(3.54)


def test_a_written_map_is_valid_to_mrcfile(tmp_path: Path, volume: torch.Tensor) -> None:
    write_map(tmp_path / "map.mrc", volume, 3.54)
    assert mrcfile.validate(tmp_path / "map.mrc")
    with mrcfile.open(tmp_path / "map.mrc") as mrc:
        assert mrc.is_volume()
        assert mrc.voxel_size.z == pytest.approx(3.54)
        np.testing.assert_array_equal(mrc.data, volume.numpy())


@pytest.mark.parametrize("compression", ["gzip", "bzip2"])
def test_packed_maps_are_read(tmp_path: Path, volume: torch.Tensor, compression: str) -> None:
    path = tmp_path / {"gzip": "map.mrc.gz", "bzip2": "map.mrc.bz2"}[compression]
    with mrcfile.new(path, volume.numpy(), compression=compression) as mrc:
        mrc.voxel_size = 2.0
    assert torch.equal(read_map(path).volume, volume)


def test_axes_stored_in_another_order_come_out_as_z_y_x(tmp_path: Path, volume: torch.Tensor) -> None:
    with mrcfile.new(tmp_path / "map.mrc", volume.numpy().transpose(2, 0, 1)) as mrc:
        mrc.voxel_size = 2.0
        mrc.header.maps, mrc.header.mapr, mrc.header.mapc = 1, 3, 2
        mrc.header.cella = tuple(2.0 * n for n in (7, 6, 5))
        mrc.header.mx, mrc.header.my, mrc.header.mz = 7, 6, 5
    read = read_map(tmp_path / "map.mrc")
    assert torch.equal(read.volume, volume)
    assert read.pixel_size == 2.0


def test_a_big_endian_map_without_machine_stamp_is_read(tmp_path: Path, volume: torch.Tensor) -> None:
    with mrcfile.new(tmp_path / "map.mrc", volume.numpy().astype(">f4")) as mrc:
        mrc.voxel_size = 2.0
        mrc.header.machst = 0
    assert torch.equal(read_map(tmp_path / "map.mrc").volume, volume)


def test_a_map_without_voxel_size_is_refused_unless_one_is_given(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "map.mrc", np.ones((4, 4, 4), np.float32)):
        pass
    with pytest.raises(ValueError, match=r"map\.mrc: its header gives no voxel size \(0 x 0 x 0 angstrom\)"):
        read_map(tmp_path / "map.mrc")
    assert read_map(tmp_path / "map.mrc", pixel_size=1.7).pixel_size == 1.7


def test_a_header_without_intervals_does_not_say_how_large_voxels_are(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "map.mrc", np.ones((4, 4, 4), np.float32)) as mrc:
        mrc.voxel_size = 2.0
        mrc.header.mx = mrc.header.my = mrc.header.mz = 0
    with pytest.raises(ValueError, match=r"map\.mrc: its header gives no voxel size"):
        read_map(tmp_path / "map.mrc")


def test_voxels_that_are_not_cubes_are_refused(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "map.mrc", np.ones((4, 4, 4), np.float32)) as mrc:
        mrc.voxel_size = (1.0, 1.0, 1.2)
    with pytest.raises(ValueError, match=r"voxels are not cubes \(1 x 1 x 1.2 angstrom\)"):
        read_map(tmp_path / "map.mrc")


def test_a_map_with_nan_is_refused(tmp_path: Path, volume: torch.Tensor) -> None:
    volume[0, 0, 0] = float("nan")
    write_map(tmp_path / "map.mrc", volume, 1.0)
    with pytest.raises(ValueError, match=r"map\.mrc: the map holds NaN"):
        read_map(tmp_path / "map.mrc")


def test_a_truncated_map_is_refused(tmp_path: Path, volume: torch.Tensor) -> None:
    path = tmp_path / "map.mrc"
    write_map(path, volume, 1.0)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"map\.mrc is truncated: its header says 5 images of 7 x 6 pixels"):
        read_map(path)


def test_a_truncated_packed_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.mrc.gz"
    with mrcfile.new(path, np.random.rand(9, 9, 9).astype(np.float32), compression="gzip") as mrc:
        mrc.voxel_size = 2.0
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(OSError, match=r"map\.mrc\.gz could not be read"):
        read_map(path)


def test_a_missing_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.mrc does not exist"):
        read_map(tmp_path / "gone.mrc")


@pytest.mark.parametrize("text", ["short", "a long text " * 200])
def test_a_text_is_not_an_mrc_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.mrc").write_text(text)
    with pytest.raises(ValueError, match=r"map\.mrc is not an MRC file"):
        read_map(tmp_path / "map.mrc")


def test_a_complex_map_is_refused_with_its_mode(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "map.mrc", np.ones((4, 4, 4), np.complex64)):
        pass
    with pytest.raises(ValueError, match=r"MRC mode 4 is not supported, only 0, 1, 2, 6, 12"):
        read_map(tmp_path / "map.mrc")


@pytest.mark.data
def test_every_shared_map_is_read(shared_data: Path) -> None:
    maps = [path for folder in ("maps_5A", "maps_10A", "betagal_map") for path in (shared_data / folder).glob("*.mrc")]
    sizes = {path.stem: read_map(path).pixel_size for path in maps}
    assert sizes == pytest.approx(
        {"2cg9": 5, "3j9i": 5, "4cr2": 5, "4v7r": 5, "4v94_one_TRiC": 10, "betagal_3.54A": 3.54}
    )
