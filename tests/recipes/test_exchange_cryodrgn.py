"""cryoDRGN's files in and out."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from frazil.data import open_particles
from frazil.io import read_particles
from frazil.io.cryodrgn import read_arrays
from frazil.recipes.cryodrgn import run
from frazil.recipes.exchange_cryodrgn import ExportCryoDRGN, ImportCryoDRGN, export_cryodrgn, import_cryodrgn


@pytest.fixture
def pickles(two_structures: Path, tmp_path: Path) -> Path:
    """A folder with the poses and lenses of the images."""
    export_cryodrgn(ExportCryoDRGN(two_structures / "particles.star", tmp_path / "pickles"))
    return tmp_path / "pickles"


def imported(stack: Path, pickles: Path, **more: Path) -> ImportCryoDRGN:
    return ImportCryoDRGN(stack, pickles / "ctf.pkl", pickles / "back.star", pickles / "poses.pkl", **more)


def test_a_table_comes_back_from_its_pickles(two_structures: Path, pickles: Path) -> None:
    assert sorted(path.name for path in pickles.iterdir()) == ["ctf.pkl", "poses.pkl"]
    import_cryodrgn(imported(two_structures / "particles.mrcs", pickles))
    before, after = (
        open_particles(path, "light", 60.0) for path in (two_structures / "particles.star", pickles / "back.star")
    )
    torch.testing.assert_close(after.pose.rotation, before.pose.rotation, atol=1e-6, rtol=0)
    torch.testing.assert_close(after.pose.shift, before.pose.shift, atol=1e-4, rtol=0)
    for name, value in vars(before.ctf).items():
        torch.testing.assert_close(getattr(after.ctf, name), value, rtol=1e-6, atol=1e-4)
    assert torch.equal(after.images(range(3)), before.images(range(3)))
    assert after.pixel_size() == pytest.approx(8.0)


def test_latents_go_out_and_come_in(two_structures: Path, cryodrgn_run: Path, pickles: Path) -> None:
    export_cryodrgn(ExportCryoDRGN(cryodrgn_run / "particles.star", pickles / "more"))
    (latent,) = read_arrays(pickles / "more" / "z.pkl")
    assert latent.shape == (64, 2)
    import_cryodrgn(imported(two_structures / "particles.mrcs", pickles, latents=pickles / "more" / "z.pkl"))
    found = read_particles(pickles / "back.star").numbers("frazilLatent2")
    np.testing.assert_allclose(found, latent[:, 1], rtol=1e-6)


def test_nothing_that_is_there_is_written_over(two_structures: Path, pickles: Path) -> None:
    with pytest.raises(ValueError, match=r"poses.pkl: is there already; give another name, or remove it"):
        export_cryodrgn(ExportCryoDRGN(two_structures / "particles.star", pickles))
    import_cryodrgn(imported(two_structures / "particles.mrcs", pickles))
    with pytest.raises(ValueError, match=r"back.star: is there already"):
        import_cryodrgn(imported(two_structures / "particles.mrcs", pickles))


def test_poses_of_cryodrgn_are_given_to_a_run(
    small_cryodrgn, two_structures: Path, pickles: Path, tmp_path: Path
) -> None:
    assert run(small_cryodrgn(tmp_path / "run", poses=str(pickles / "poses.pkl"), latent_dim=0, halves=False)) == 0
    found, known = (read_particles(folder / "particles.star").pose() for folder in (tmp_path / "run", two_structures))
    torch.testing.assert_close(found.rotation, known.rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.shift, known.shift, atol=1e-4, rtol=0)


def test_files_that_do_not_belong_together_are_refused(two_structures: Path, pickles: Path, small_cryodrgn) -> None:
    lens = read_arrays(pickles / "ctf.pkl")[0]
    (pickles / "ctf.pkl").write_bytes(pickle.dumps(lens[:9]))
    with pytest.raises(ValueError, match=r"ctf.pkl: 9 rows, but .*particles.mrcs holds 64 images"):
        import_cryodrgn(imported(two_structures / "particles.mrcs", pickles))
    lens[5, 1] = 7.0
    (pickles / "ctf.pkl").write_bytes(pickle.dumps(lens))
    with pytest.raises(ValueError, match=r"ctf.pkl: row 6 has a box of 168 angstrom, row 1 192"):
        import_cryodrgn(imported(two_structures / "particles.mrcs", pickles))
    assert not (pickles / "back.star").exists()
    rotation, shift = read_arrays(pickles / "poses.pkl")
    (pickles / "poses.pkl").write_bytes(pickle.dumps((rotation[:9], shift[:9])))
    with pytest.raises(ValueError, match=r"poses.pkl: 9 poses, but .*particles.star holds 64 images"):
        run(small_cryodrgn(pickles / "run", poses=str(pickles / "poses.pkl")))
    assert not (pickles / "run").exists()
