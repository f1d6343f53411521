"""What a table's images say that the table does not."""

from pathlib import Path

import mrcfile
import numpy as np

from frazil.io import open_images, read_particles, with_sizes, write_particles

OLD = """
data_

loop_
_rlnImageName #1
_rlnVoltage #2
_rlnAngleRot #3
_rlnAngleTilt #4
_rlnAnglePsi #5
_rlnOriginX #6
_rlnOriginY #7
1@a.mrcs 300 10 20 30 1 -2
"""


def test_what_older_tables_leave_to_headers_is_written_for_relion(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrcs", np.random.randn(1, 16, 16).astype(np.float32)) as stack:
        stack.set_image_stack()
        stack.voxel_size = 2.0
    (tmp_path / "x.star").write_text(OLD)
    table = read_particles(tmp_path / "x.star")
    whole = with_sizes(table, open_images(table))
    pose = whole.pose()
    assert pose is not None
    assert pose.shift.tolist() == [[-2.0, 4.0]]  # angstrom, and the opposite of RELION's origin
    write_particles(tmp_path / "out.star", whole)
    (optics,) = read_particles(tmp_path / "out.star").optics.to_dict("records")
    expected = {"rlnImagePixelSize": 2.0, "rlnImageSize": 16, "rlnImageDimensionality": 2}
    assert {name: optics[name] for name in expected} == expected
